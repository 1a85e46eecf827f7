package engine

import "github.com/latency-monitor/latency-monitor/internal/loop"

func newPoller(m Mode) (loop.Poller, error) {
	if m == Portable {
		return loop.NewPortable()
	}
	return loop.NewEpoll()
}
