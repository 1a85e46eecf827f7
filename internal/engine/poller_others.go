//go:build !linux

package engine

import (
	"errors"

	"github.com/latency-monitor/latency-monitor/internal/loop"
)

func newPoller(m Mode) (loop.Poller, error) {
	if m == Linux {
		return nil, errors.New("not Linux")
	}
	return loop.NewPortable()
}
