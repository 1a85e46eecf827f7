package main_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// While the parent is stopped, samples pile up in the rings. The engine process is killed before the
// parent has seen any of them: they are exported all the same.
func TestSamplesOfAKilledEngineProcessAreExported(t *testing.T) {
	const enough = 1000
	conn, port := listenUDP(t)
	p := start(t, spec{mode: isolated, on: netnstest.ThisHost{}, name: "a", config: probePeer(t, port, 1, 600)})
	echo(t, conn, 100)
	p.waitPoints(1, "udp.wan.rtt")
	p.signal(unix.SIGSTOP)
	var printed int
	p.update(func() { printed = len(p.out.points) })
	echo(t, conn, enough)
	kill(t, p.engineProcess())
	p.signal(unix.SIGCONT)
	p.waitNextEngine(1)
	p.signal(unix.SIGTERM)
	answerUntilTheEnd(t, p, conn, nil)
	out := p.end()

	p.checkEnd(out)
	c := p.counters(out)
	checkKilledProber(t, out, c, 1)
	c.want("lost", 0)
	// The last replies may not have been read when the process was killed.
	if n := out.counts["udp.wan.rtt"] - printed; n < enough/2 {
		t.Errorf("%d round-trip times printed since the parent was stopped, want about %d", n, enough)
	}
}
