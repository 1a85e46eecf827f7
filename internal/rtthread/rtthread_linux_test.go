package rtthread

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// onThread runs f on a thread that ends with it.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func TestEnterPinsTheThreadAndMakesTimersExact(t *testing.T) {
	onThread(func() {
		if refused := Enter(Options{CPU: 0}); len(refused) != 0 {
			t.Errorf("Enter refused %v", refused)
		}
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(0, &set); err != nil || set.Count() != 1 || !set.IsSet(0) {
			t.Errorf("affinity = %d cpus, cpu 0 %v, %v, want cpu 0 only", set.Count(), set.IsSet(0), err)
		}
		slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
		if err != nil || slack != 1 {
			t.Errorf("timer slack = %d ns, %v, want 1", slack, err)
		}
	})
	onThread(func() {
		runtime.LockOSThread()
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(0, &set); err == nil && runtime.NumCPU() > 1 && set.Count() == 1 {
			t.Error("another thread inherited the pinning")
		}
	})
}

func TestEnterSetsSchedFIFO(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root (CAP_SYS_NICE) for SCHED_FIFO")
	}
	onThread(func() {
		if refused := Enter(Options{CPU: -1, Priority: 7}); len(refused) != 0 {
			t.Errorf("Enter refused %v", refused)
		}
		attr, err := unix.SchedGetAttr(0, 0)
		if err != nil || attr.Policy != unix.SCHED_FIFO || attr.Priority != 7 {
			t.Errorf("policy %d priority %d, %v, want SCHED_FIFO 7", attr.Policy, attr.Priority, err)
		}
	})
}

func TestEnterNamesWhatWasRefused(t *testing.T) {
	onThread(func() {
		refused := Enter(Options{CPU: 1000})
		if len(refused) != 1 || !strings.Contains(refused[0].Error(), "cpu 1000") {
			t.Errorf("Enter refused %v, want one error naming cpu 1000", refused)
		}
	})
}
