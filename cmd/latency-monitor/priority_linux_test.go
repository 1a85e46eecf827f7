package main_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// The loops have the priority, and all of the engine process, which the parent set before it gave up the right to; so
// has the engine process that follows one that was killed.
func TestLoopsHaveRealtimePriority(t *testing.T) {
	needsRoot(t, "get a real-time priority")
	const priority = 7
	config, _, _ := onLoopback(t)
	config += fmt.Sprintf("interval = 10\n[engine]\nrealtime_priority = %d\n[[targets]]\nhost = %q\nlabel = \"itself\"\n", priority, loopback)
	bothWays(t, func(t *testing.T, m mode) {
		p := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: config})
		p.waitPoints(1, delays...)
		if m == oneProcess {
			checkPriority(t, p.cmd.Process.Pid, priority, false)
			p.stop()
			return
		}
		engine := p.engineProcess()
		checkPriority(t, engine, priority, true)
		kill(t, engine)
		checkPriority(t, p.waitNextEngine(1), priority, true)
		p.waitMore(10, delays...)
		out, _ := p.stop()
		wantLogged(t, out, map[string]int{"going on without": 0})
	})
}

// checkPriority checks that the loops' threads have the priority, and the others as well if they should. A thread of
// the Go runtime that hands a loop back to its own thread must not wait for other work.
func checkPriority(t *testing.T, pid, priority int, others bool) {
	t.Helper()
	want := unix.SchedAttr{Policy: unix.SCHED_FIFO, Priority: uint32(priority)}
	loops := loopThreads(t, pid)
	for name, tid := range loops {
		if got, err := unix.SchedGetAttr(tid, 0); err != nil || got.Policy != want.Policy || got.Priority != want.Priority {
			t.Errorf("thread %s has %+v, %v, want policy %d, priority %d", name, got, err, want.Policy, want.Priority)
		}
	}
	for _, tid := range threadsOf(t, pid) {
		if slices.Contains(slices.Collect(maps.Values(loops)), tid) {
			continue
		}
		if got, err := unix.SchedGetAttr(tid, 0); err == nil && (got.Policy == want.Policy) != others { // else it has ended
			t.Errorf("thread %d, %s, has policy %d, want a real-time one: %v", tid, nameOf(tid), got.Policy, others)
		}
	}
	if s, ok := statusOf(pid); !ok || s.want(map[string]string{"CapEff": "0000000000000000", "CapPrm": "0000000000000000"}) != nil {
		t.Errorf("process %d has capabilities: %v", pid, s["CapEff"])
	}
}
