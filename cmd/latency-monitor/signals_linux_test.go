package main_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// probePeer configures a UDP target at a port of the loopback address.
func probePeer(t *testing.T, port int, interval, timeout float64) string {
	t.Helper()
	config, _, _ := onLoopback(t)
	return config + fmt.Sprintf("interval = %g\ntimeout = %g\n[[targets]]\nhost = %q\nlabel = \"peer\"\ntype = \"udp\"\nudp_port = %d\n",
		interval, timeout, loopback, port)
}

// heldProbe is a probe whose reply the test holds back.
type heldProbe struct {
	message []byte
	from    netip.AddrPort
}

// receiveProbes reads n probes.
func receiveProbes(t *testing.T, conn *net.UDPConn, n int) []heldProbe {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(waittest.Patience())); err != nil {
		t.Fatal(err)
	}
	var held []heldProbe
	for len(held) < n {
		buf := make([]byte, 2048)
		size, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			t.Fatalf("after %d probes: %v", len(held), err)
		}
		held = append(held, heldProbe{buf[:size], from})
	}
	return held
}

func TestSignalEndsTheDaemonAfterTheLastReplies(t *testing.T) {
	bothWays(t, testSignalEndsTheDaemonAfterTheLastReplies)
}

func testSignalEndsTheDaemonAfterTheLastReplies(t *testing.T, m mode) {
	for _, signal := range []os.Signal{unix.SIGTERM, unix.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			conn, port := listenUDP(t)
			p := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: probePeer(t, port, 10, 3600)})
			held := receiveProbes(t, conn, 20)
			p.signal(signal)
			p.waitLogged(1, "stopping: waiting for the last replies signal="+signal.String())
			answerUntilTheEnd(t, p, conn, held)
			out := p.end()

			p.checkEnd(out)
			c := p.counters(out)
			checkProber(out, c)
			c.want("lost", 0)
			if got, want := out.counts["udp.wan.rtt"], c.of("slots_sent"); got != want {
				t.Errorf("%d round-trip times printed, want %d, one per probe", got, want)
			}
		})
	}
}

// answerUntilTheEnd echoes the probes held back and those that still come.
func answerUntilTheEnd(t *testing.T, p *process, conn *net.UDPConn, held []heldProbe) {
	t.Helper()
	go func() {
		<-p.ended
		_ = conn.SetReadDeadline(time.Now())
	}()
	buf := make([]byte, 2048)
	for {
		for _, probe := range held {
			if _, err := conn.WriteToUDPAddrPort(probe.message, probe.from); err != nil {
				t.Error(err)
			}
		}
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		held = []heldProbe{{buf[:n], from}}
	}
}

func TestSecondSignalEndsTheDaemonAtOnce(t *testing.T) {
	bothWays(t, testSecondSignalEndsTheDaemonAtOnce)
}

func testSecondSignalEndsTheDaemonAtOnce(t *testing.T, m mode) {
	for _, signal := range []os.Signal{unix.SIGTERM, unix.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			conn, port := listenUDP(t)
			p := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: probePeer(t, port, 10, 3600)})
			receiveProbes(t, conn, 1) // and answers none
			p.signal(unix.SIGTERM)
			p.waitLogged(1, "stopping")
			signalUntilTheEnd(p, signal)
			out := p.end()
			if said := out.logged("WARNING another signal: ending at once"); out.status != 1 || said != 1 {
				t.Errorf("exit status %d, said %d times, want 1 and once", out.status, said)
			}
		})
	}
}

// signalUntilTheEnd sends more than one signal because one that follows at once is taken for an echo of
// the first.
func signalUntilTheEnd(p *process, signal os.Signal) {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	over := time.After(waittest.Patience())
	for {
		select {
		case <-again.C:
			_ = p.cmd.Process.Signal(signal) // an error says that it has ended
		case <-p.ended:
			return
		case <-over:
			return
		}
	}
}

// As with `latency-monitor | head`: no fuss, no error.
func TestReaderThatLeavesEndsTheDaemonQuietly(t *testing.T) {
	bothWays(t, testReaderThatLeavesEndsTheDaemonQuietly)
}

func testReaderThatLeavesEndsTheDaemonQuietly(t *testing.T, m mode) {
	read, write := pipe(t)
	config, _, _ := onLoopback(t)
	p := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", stdout: write,
		config: config + fmt.Sprintf("interval = 1\n[[targets]]\nhost = %q\n", loopback)})
	_ = write.Close()
	buf := make([]byte, 200)
	if _, err := read.Read(buf); err != nil || !strings.HasPrefix(string(buf), `{"metric": "`) {
		t.Fatalf("read %q, %v, want a line of output", buf, err)
	}
	_ = read.Close()
	out := p.end()
	p.checkEnd(out)
	p.counters(out)
}

// Nobody reads the output: the daemon measures on, drops what there is no room for, counts it, and
// can be ended.
func TestReaderThatStallsDoesNotHoldUpMeasuring(t *testing.T) {
	bothWays(t, testReaderThatStallsDoesNotHoldUpMeasuring)
}

func testReaderThatStallsDoesNotHoldUpMeasuring(t *testing.T, m mode) {
	_, write := pipe(t)
	conn, port := listenUDP(t)
	config := probePeer(t, port, 1, 1)                        // shows that probes are sent
	for _, busy := range []string{"127.0.0.1", "127.0.0.2"} { // fills the queue of the output
		config += fmt.Sprintf("[[targets]]\nhost = %q\ntype = \"udp\"\ninterval = 0.2\n", busy)
	}
	config = strings.Replace(config, "address", "# address", 1)
	p := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: config, stdout: write})
	_ = write.Close()
	echo(t, conn, 3000)
	p.signal(unix.SIGTERM)
	out := p.end()

	p.checkEnd(out)
	c := p.counters(out)
	points := c.of("answered") + c.of("lost") + c.of("probes_received") - c.of("probes_late") - c.of("probes_duplicate") + c.of("probes_missing")
	offered := c.of("cli_sent") + c.of("cli_failed") + c.of("cli_dropped") + c.of("cli_queued")
	// Every ten seconds there is one of the host's clock besides.
	if clocks := offered - points; clocks < 1 || clocks > 1+int(waittest.Patience()/(10*time.Second)) {
		t.Errorf("%d points offered to the output, want %d and one or a few of the host's clock", offered, points)
	}
	if dropped := c.of("export_dropped"); dropped < points/2 {
		t.Errorf("%d of %d points counted as dropped, want nearly all", dropped, points)
	}
	c.want("ring_dropped", 0)
	t.Log(c.fields)
}

// echo answers n probes.
func echo(t *testing.T, conn *net.UDPConn, n int) {
	t.Helper()
	for range n {
		probe := receiveProbes(t, conn, 1)[0]
		if _, err := conn.WriteToUDPAddrPort(probe.message, probe.from); err != nil {
			t.Fatal(err)
		}
	}
}

// pipe makes a pipe whose ends are closed when the test ends at the latest.
func pipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = read.Close(), write.Close() })
	return read, write
}
