package main_test

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// growth compares two runs, of which the longer one did more of something.
type growth struct {
	short, long counters
	more        int // so many times more
	least       int // octets that would have to be allocated each time
}

// check checks that the engine process, which collects no garbage, has allocated nothing for it.
func (g growth) check(t *testing.T) {
	t.Helper()
	// The Go runtime of one process happens to need some threads more than that of another.
	const noise = 64 << 10
	if g.more*g.least < 2*noise {
		t.Fatalf("%d times more in the longer run are too few to show growth", g.more)
	}
	before, grown := g.short.of("engine_allocated"), g.long.of("engine_allocated")-g.short.of("engine_allocated")
	t.Logf("%d octets allocated in the shorter run, and in the longer one with %d times more: %+d", before, g.more, grown)
	if grown > noise {
		t.Errorf("the engine process allocated %d octets more in the longer run, with %d times more, want at most %d",
			grown, g.more, noise)
	}
	for _, c := range []counters{g.short, g.long} {
		c.want("engine_collections", 0, "engine_restarts", 0)
	}
}

// A daemon that probes itself over all transports, so that each packet is sent, answered and received.
func TestEngineProcessAllocatesNothingPerPacket(t *testing.T) {
	t.Parallel()
	const smallestObject = 8
	run := func(points int) counters {
		config, _, _ := onLoopback(t)
		config += fmt.Sprintf("interval = 1\n[[targets]]\nhost = %q\nlabel = \"itself\"\n", loopback)
		p := start(t, spec{mode: isolated, on: netnstest.ThisHost{}, name: "a", config: config})
		p.waitPoints(points, delays...)
		_, c := p.stop()
		return c
	}
	short, long := run(100), run(6000)
	growth{short, long, long.of("slots_sent") - short.of("slots_sent"), smallestObject}.check(t)
}

// Where an engine process keeps something of each prober, it is at least its address.
const smallestSession = 32

// Each connection is a session that ends with it.
func TestEngineProcessAllocatesNothingPerConnectionThatCameAndWent(t *testing.T) {
	t.Parallel()
	run := func(connections int) counters {
		config, port, _ := onLoopback(t)
		p := start(t, spec{mode: isolated, on: netnstest.ThisHost{}, name: "a", config: config})
		for i := range connections {
			conn := dial(t, "tcp", port)
			askOnce(t, conn, i)
			_ = conn.Close()
		}
		_, c := p.stop()
		c.want("connections_accepted", connections)
		return c
	}
	const few, many = 100, 4_300
	growth{run(few), run(many), many - few, smallestSession}.check(t)
}

// Each port is a session that lasts; of those that there is no room for nothing is kept.
func TestEngineProcessAllocatesNothingPerPortThatItRefuses(t *testing.T) {
	t.Parallel()
	const sessions = 16
	run := func(ports int) counters {
		config, _, port := onLoopback(t)
		p := start(t, spec{mode: isolated, on: netnstest.ThisHost{}, name: "a", config: config + fmt.Sprintf("max_sessions = %d\n", sessions)})
		known := dial(t, "udp", port)
		for i := range ports {
			askOnce(t, known, i) // its answer shows that the one before was read, too
			stranger := dial(t, "udp", port)
			send(t, stranger, request(0))
			_ = stranger.Close()
		}
		askOnce(t, known, ports)
		_, c := p.stop()
		// The system may give one of the ports that there is a session of once more.
		if refused := c.of("sessions_refused"); refused < ports/2 {
			t.Errorf("%d of %d ports refused, want all but %d", refused, ports, sessions-1)
		}
		return c
	}
	const few, many = 100, 4_300
	growth{run(few), run(many), many - few, smallestSession}.check(t)
}

// request is a probe with a number.
func request(number int) string { return fmt.Sprintf("%d|b|%d|[]|", number%101, time.Now().UnixNano()) }

// askOnce sends a probe and waits for its answer.
func askOnce(t *testing.T, conn net.Conn, number int) {
	t.Helper()
	send(t, conn, request(number))
	if _, err := io.ReadAtLeast(conn, make([]byte, 100), 1); err != nil {
		t.Fatal(err)
	}
}
