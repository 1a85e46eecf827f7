//go:build !linux

package isolation

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/latency-monitor/latency-monitor/internal/engine"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
)

// Verb marks a process that is to Serve; there is none here.
const Verb = "engine-process"

var errUnsupported = fmt.Errorf("no engine process on %s: %w", runtime.GOOS, errors.ErrUnsupported)

// Available reports that there can't be an engine process here.
func Available() error { return errUnsupported }

// Engine is there to compile; New makes none.
type Engine struct{ *engine.Engine }

// New returns the error of Available.
func New(Config) (*Engine, error) { return nil, errUnsupported }

// ErrStopped is returned by nothing here.
var ErrStopped = errors.New("stopped")

// Trouble is none.
func (*Engine) Trouble() error { return nil }

// Release releases nothing.
func (*Engine) Release() []packetio.Lent { return nil }

// Serve returns 1.
func Serve() int { return 1 }
