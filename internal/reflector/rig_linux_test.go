package reflector

import (
	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

func systemImplementations() []implementation { return []implementation{epoll} }

var epoll = implementation{
	name: "epoll", stamp: measurement.SourceKernel,
	open: func() (loop.Poller, error) { return loop.NewEpoll() },
}
