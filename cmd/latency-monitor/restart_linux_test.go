package main_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The peer ends and comes back: so do the measurements, and the log tells each change once.
func TestMeasurementComesBackWithThePeer(t *testing.T) {
	for _, test := range []struct {
		name   string
		mode   mode
		signal os.Signal
	}{
		{"peer told to end, isolated", isolated, unix.SIGTERM},
		{"peer killed, isolated", isolated, unix.SIGKILL},
		{"peer told to end, in one process", oneProcess, unix.SIGTERM},
		{"peer killed, in one process", oneProcess, unix.SIGKILL},
		{"peer told to end, portable engine", portable, unix.SIGTERM},
		{"peer killed, portable engine", portable, unix.SIGKILL},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			link := twoHosts(t)
			peer := spec{mode: test.mode, on: link.B.Host, name: "b", config: receive}
			b := start(t, peer)
			config := fmt.Sprintf("interval = 20\ntimeout = 0.5\n[[targets]]\nhost = %q\nlabel = \"b\"\n", link.B.IPv4)
			a := start(t, spec{mode: test.mode, on: link.A.Host, name: "a", config: config})
			all := []string{"udp.wan.rtt", "tcp.wan.rtt", "tcp.wan.latency"}
			a.waitPoints(20, all...)

			b.signal(test.signal)
			b.end()
			a.waitLogged(1, "target \"b\" (tcp) is unreachable: connection refused")
			b = start(t, peer)
			a.waitMore(20, all...)
			b.waitPoints(20, "udp.wan.owd", "tcp.wan.owd")
			a.waitLogged(2, "target \"b\" (tcp) answers")
			out, counters := a.stop()

			checkProber(out, counters)
			got, refused := withoutRefused(changes(out, "tcp connection to", "(tcp)"))
			counters.want("reconnects", 1+refused)
			want := []string{"is up", "answers", "is down", "is unreachable", "is up", "answers"}
			if !slices.Equal(got, want) {
				t.Errorf("changes of the TCP session: %q, want %q", got, want)
			}
		})
	}
}

// withoutRefused leaves out a connection that came up and was closed before anything was answered: the
// peer's sockets were open, and its engine had not begun.
func withoutRefused(changes []string) (rest []string, refused int) {
	for i := 0; i < len(changes); i++ {
		if i+1 < len(changes) && changes[i] == "is up" && changes[i+1] == "is down" {
			refused++
			i++
			continue
		}
		rest = append(rest, changes[i])
	}
	return rest, refused
}

// changes are the log lines with one of the texts, each reduced to the change of state that it tells. The
// way of the probes, and their protocol, are none.
func changes(o *output, texts ...string) []string {
	var found []string
	for _, line := range o.log {
		if strings.Contains(line, "arrive with TTL") || strings.Contains(line, "speaks STAMP") {
			continue
		}
		if !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(line, text) }) {
			continue
		}
		change := line
		for _, known := range []string{"is up", "is down", "is unreachable", "does not answer", "answers"} {
			if strings.Contains(line, known) {
				change = known
				break
			}
		}
		found = append(found, change)
	}
	return found
}

// Where nobody listens yet, the network says so: probes are lost at once, not after their timeout.
func TestPeerThatStartsLastIsMeasured(t *testing.T) {
	bothWaysAtOnce(t, testPeerThatStartsLastIsMeasured)
}

func testPeerThatStartsLastIsMeasured(t *testing.T, m mode) {
	for _, f := range families() {
		t.Run(f.name, func(t *testing.T) {
			link := twoHosts(t)
			// The kernel sends few ICMP errors a second, so probe slowly.
			config := fmt.Sprintf("interval = 200\ntimeout = 3600\n[[targets]]\nhost = %q\nlabel = \"b\"\n", f.addr(link.B))
			a := start(t, spec{mode: m, on: link.A.Host, name: "a", config: config})
			a.waitPoints(2, "udp.wan.loss", "tcp.wan.loss")
			b := start(t, spec{mode: m, on: link.B.Host, name: "b", config: receive})
			a.waitPoints(3, "udp.wan.rtt", "tcp.wan.rtt", "tcp.wan.latency")
			b.waitPoints(3, "udp.wan.owd", "tcp.wan.owd")

			for _, way := range []string{"(udp)", "(tcp)", "(tcp-connect)"} {
				a.waitLogged(1, "target \"b\" "+way+" answers")
			}
			// A probe that came while the peer's engine process had not begun was dropped, and an orderly end
			// would wait an hour for the reply.
			a.signal(unix.SIGKILL)
			out := a.end()
			for _, way := range []string{"(udp)", "(tcp)", "(tcp-connect)"} {
				want := []string{"is unreachable", "answers"}
				if got := changes(out, "target \"b\" "+way); !slices.Equal(got, want) {
					t.Errorf("changes of the session %s: %q, want %q", way, got, want)
				}
			}
		})
	}
}
