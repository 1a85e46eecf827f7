package main_test

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// Ctrl-C in a terminal sends SIGINT to the whole process group: the engine process leaves it to its
// parent what to do about it, and the last replies are waited for.
func TestInterruptOfTheProcessGroupLosesNothing(t *testing.T) {
	bothWays(t, func(t *testing.T, m mode) {
		conn, port := listenUDP(t)
		p := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: probePeer(t, port, 10, 3600),
			attr: &syscall.SysProcAttr{Setpgid: true}})
		held := receiveProbes(t, conn, 20)
		if err := unix.Kill(-p.cmd.Process.Pid, unix.SIGINT); err != nil {
			t.Fatal(err)
		}
		p.waitLogged(1, "stopping: waiting for the last replies signal=interrupt")
		answerUntilTheEnd(t, p, conn, held)
		out := p.end()

		p.checkEnd(out)
		c := p.counters(out)
		checkProber(out, c)
		c.want("lost", 0, "engine_restarts", 0)
		if got, want := out.counts["udp.wan.rtt"], c.of("slots_sent"); got != want {
			t.Errorf("%d round-trip times printed, want %d, one per probe", got, want)
		}
	})
}
