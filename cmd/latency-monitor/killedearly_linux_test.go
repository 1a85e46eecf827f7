package main_test

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// The engine process that follows one that was killed is killed itself, when its loops run and it has not
// heard of any session. The slots since the first kill are counted by the third one.
func TestSlotsBeforeAnEngineProcessHasSessionsAreCounted(t *testing.T) {
	link := twoHosts(t)
	b := start(t, spec{mode: isolated, on: link.B.Host, name: "b", config: receive})
	a := start(t, spec{mode: isolated, on: link.A.Host, name: "a", config: probeUDP(link.B.IPv4.String(), 1, 0.5)})
	a.waitMore(100, "udp.wan.rtt")
	first := a.engineProcess()
	kill(t, first)
	second, sender := a.waitLoops(first)
	// From now on the parent tells it nothing, unless it has done so in the last millisecond.
	a.signal(unix.SIGSTOP)
	waitRuns(t, sender)
	kill(t, second)
	a.signal(unix.SIGCONT)
	a.waitLogged(1, " measures, ")
	a.waitMore(100, "udp.wan.rtt")
	outA, c := a.stop()
	b.waitPoints(outA.counts["udp.wan.rtt"]+outA.counts["udp.wan.loss"], "udp.wan.owd")
	outB, _ := b.stop()

	// There are at least 300 slots between the first kill and the third process.
	checkAllSlots(t, outB, c, schedule{interval: time.Millisecond, sessions: 1, kills: 2, ends: 50 * time.Millisecond})
}

// waitLoops waits until an engine process other than the last one has its loops' threads.
func (p *process) waitLoops(last int) (pid, sender int) {
	p.t.Helper()
	for deadline := time.Now().Add(waittest.Patience()); time.Now().Before(deadline); {
		pid, ok := p.child()
		if !ok || pid == last {
			continue
		}
		for _, tid := range threadsOf(p.t, pid) {
			if nameOf(tid) == "sender" {
				return pid, tid
			}
		}
	}
	p.t.Fatalf("%s: no other engine process", p.name)
	return 0, 0
}

// waitRuns waits until a loop has gone round some times: it sleeps each time.
func waitRuns(t *testing.T, tid int) {
	t.Helper()
	const some = 5
	begin := -1
	for deadline := time.Now().Add(waittest.Patience()); time.Now().Before(deadline); {
		s, ok := statusOf(tid)
		if !ok {
			t.Fatal("the loop has ended")
		}
		switch sleeps := s.number(t, "voluntary_ctxt_switches"); {
		case begin < 0:
			begin = sleeps
		case sleeps >= begin+some:
			return
		}
	}
	t.Fatal("the loop does not run")
}
