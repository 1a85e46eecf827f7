package reflector

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
)

// exhaust opens files until the process may have no more, and returns what closes them again.
func exhaust(t *testing.T) (restore func()) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	next, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	files := []int{next}
	restore = func() {
		for _, fd := range files {
			_ = unix.Close(fd)
		}
		files = nil
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(next) + 1, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	for {
		fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == unix.EMFILE {
			return restore
		}
		if err != nil {
			restore()
			t.Fatal(err)
		}
		files = append(files, fd)
	}
}

func TestConnectionsAreTurnedAwayWithoutDescriptors(t *testing.T) {
	r := newRig(t, epoll, testConfig(loopback))
	waiting := []*stream{r.dial(), r.dial(), r.dial()}
	udp := r.client()
	restore := exhaust(t)
	defer restore()
	r.driveTo(selfstats.ConnectionsRefused, 3)
	// Nothing is left that would wake the loop again and again.
	if n, err := r.poller.Wait(clock.MonoNow(), r.ready[:]); n != 0 || err != nil {
		t.Errorf("Wait = %+v, %v, want nothing ready", r.ready[:n], err)
	}
	if r.spare.file == nil {
		t.Error("no spare descriptor for the next time")
	}
	udp.send(probe(1).bytes())
	r.driveTo(selfstats.ProbesReflected, 1)
	restore()
	for _, s := range waiting {
		s.ends()
	}
	s := r.dial()
	s.send(probe(1).bytes())
	r.driveTo(selfstats.ProbesReflected, 2)
	s.receive()
}
