package main_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// The loops have the priority, which the parent set before it gave up the right to; so has the engine
// process that follows one that was killed.
func TestLoopsHaveRealtimePriority(t *testing.T) {
	needsRoot(t, "get a real-time priority")
	const priority = 7
	config, _, _ := onLoopback(t)
	config += fmt.Sprintf("interval = 10\n[engine]\nrealtime_priority = %d\n[[targets]]\nhost = %q\nlabel = \"itself\"\n", priority, loopback)
	bothWays(t, func(t *testing.T, m mode) {
		p := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: config})
		p.waitPoints(1, delays...)
		if m == oneProcess {
			checkPriority(t, p.cmd.Process.Pid, priority)
			p.stop()
			return
		}
		engine := p.engineProcess()
		checkPriority(t, engine, priority)
		kill(t, engine)
		checkPriority(t, p.waitNextEngine(1), priority)
		p.waitMore(10, delays...)
		out, _ := p.stop()
		wantLogged(t, out, map[string]int{"going on without": 0})
	})
}

// checkPriority checks that the loops' threads, and no others, have the priority.
func checkPriority(t *testing.T, pid, priority int) {
	t.Helper()
	for name, tid := range loopThreads(t, pid) {
		attr, err := unix.SchedGetAttr(tid, 0)
		if err != nil {
			t.Fatalf("sched_getattr of thread %s: %v", name, err)
		}
		if attr.Policy != unix.SCHED_FIFO || attr.Priority != uint32(priority) {
			t.Errorf("thread %s has policy %d, priority %d, want %d (SCHED_FIFO), %d", name, attr.Policy, attr.Priority, unix.SCHED_FIFO, priority)
		}
	}
	for _, tid := range threadsOf(t, pid) {
		attr, err := unix.SchedGetAttr(tid, 0)
		if loops := loopThreads(t, pid); err == nil && attr.Policy == unix.SCHED_FIFO && !slices.Contains(slices.Collect(maps.Values(loops)), tid) {
			t.Errorf("thread %d, %s, has the priority too", tid, nameOf(tid))
		}
	}
	if s, ok := statusOf(pid); !ok || s.want(map[string]string{"CapEff": "0000000000000000", "CapPrm": "0000000000000000"}) != nil {
		t.Errorf("process %d has capabilities: %v", pid, s["CapEff"])
	}
}
