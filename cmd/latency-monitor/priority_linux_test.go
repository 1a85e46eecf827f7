package main_test

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// The loops have the priority, which the parent set before it gave up the right to; so has the engine process that
// follows one that was killed. Its other threads have one more.
func TestLoopsHaveRealtimePriority(t *testing.T) {
	needsRoot(t, "get a real-time priority")
	const priority = 7
	config, _, _ := onLoopback(t)
	config += fmt.Sprintf("interval = 10\n[engine]\nrealtime_priority = %d\n[[targets]]\nhost = %q\nlabel = \"itself\"\n", priority, loopback)
	bothWays(t, func(t *testing.T, m mode) {
		p := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: config})
		p.waitPoints(1, delays...)
		if m == oneProcess {
			checkPriority(t, p.cmd.Process.Pid, priority, 0)
			p.stop()
			return
		}
		engine := p.engineProcess()
		checkPriority(t, engine, priority, priority+1)
		kill(t, engine)
		checkPriority(t, p.waitNextEngine(1), priority, priority+1)
		p.waitMore(10, delays...)
		out, _ := p.stop()
		wantLogged(t, out, map[string]int{"going on without": 0})
	})
}

// checkPriority checks that the loops' threads have the priority, and the others none, or another one.
func checkPriority(t *testing.T, pid, loops, others int) {
	t.Helper()
	want := map[int]int{}
	for _, tid := range threadsOf(t, pid) {
		want[tid] = others
	}
	for _, tid := range loopThreads(t, pid) {
		want[tid] = loops
	}
	for tid, priority := range want {
		attr, err := unix.SchedGetAttr(tid, 0)
		switch {
		case err != nil && priority == others:
			continue // it has ended
		case err != nil:
			t.Fatalf("sched_getattr of thread %s: %v", nameOf(tid), err)
		}
		if attr.Policy == unix.SCHED_FIFO != (priority > 0) || attr.Priority != uint32(priority) {
			t.Errorf("thread %d, %s, has policy %d, priority %d, want priority %d", tid, nameOf(tid), attr.Policy, attr.Priority, priority)
		}
	}
	if s, ok := statusOf(pid); !ok || s.want(map[string]string{"CapEff": "0000000000000000", "CapPrm": "0000000000000000"}) != nil {
		t.Errorf("process %d has capabilities: %v", pid, s["CapEff"])
	}
}
