//go:build !linux

package rtthread

import (
	"errors"
	"fmt"
)

// errUnsupported says what this system has no call for.
var errUnsupported = errors.New("only on Linux")

func setUp(o Options) []error {
	var refused []error
	if o.CPU >= 0 {
		refused = append(refused, fmt.Errorf("pin to cpu %d: %w", o.CPU, errUnsupported))
	}
	if o.Priority > 0 {
		refused = append(refused, fmt.Errorf("SCHED_FIFO priority %d: %w", o.Priority, errUnsupported))
	}
	return refused
}
