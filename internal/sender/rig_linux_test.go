package sender

import (
	"os"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

func systemImplementations() []implementation { return []implementation{epoll} }

var epoll = implementation{
	name: "epoll", open: func() (loop.Poller, error) { return loop.NewEpoll() }, transmit: true,
	sent: measurement.SourceKernel, received: measurement.SourceKernel,
}

// descriptors counts the process's descriptors.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
