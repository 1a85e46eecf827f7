package main_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// wantAnswer is what the daemon must answer to a vector, with T for T2; "" is nothing. It is the
// reference server's reply, with these exceptions.
func wantAnswer(t *testing.T, v vector, name string) string {
	t.Helper()
	switch v.name() {
	case "udp/bad-timestamp": // the reference answers with SEQ 101, which is none
		return ""
	case "tcp/non-zero-padding": // in a stream it can't be told from a damaged header, so it is cut
		return "5|" + name + "|T|[]|"
	}
	reply := v.reply(t)
	if reply == "" {
		return ""
	}
	fields := strings.Split(reply, "|")
	fields[1], fields[4] = name, cutPadding(fields[4], len(name)-len(clientName))
	return anyTime(strings.Join(fields, "|"))
}

// cutPadding makes room for a name that is longer than the sender's.
func cutPadding(padding string, longer int) string {
	return padding[:max(0, len(padding)-longer)]
}

// The names are one as long as the senders' and one that is longer.
var serverNames = []string{serverName, serverName + "-with-a-longer-name"}

func startServer(t *testing.T, m mode, name string) (p *process, tcp, udp int) {
	t.Helper()
	config, tcp, udp := onLoopback(t)
	return start(t, spec{mode: m, on: netnstest.ThisHost{}, name: name, config: config}), tcp, udp
}

func TestDatagramsAreAnsweredAsByTheReferenceServer(t *testing.T) {
	bothWays(t, testDatagramsAreAnsweredAsByTheReferenceServer)
}

func testDatagramsAreAnsweredAsByTheReferenceServer(t *testing.T, m mode) {
	for _, name := range serverNames {
		t.Run(name, func(t *testing.T) {
			p, _, port := startServer(t, m, name)
			answered, dropped, marks := 0, 0, 0
			// A mark behind every request: what is read before its answer is all that the request got.
			mark := func(conn net.Conn) string {
				marks++
				send(t, conn, fmt.Sprintf("%d|mark|%d|[]|", marks, time.Now().UnixNano()))
				return fmt.Sprintf("%d|%s|T|[]|", marks, name)
			}
			for _, v := range vectors(t, func(v vector) bool { return v.Transport == "udp" }) {
				conn := dial(t, "udp", port) // a port that changes its name more than once is not measured
				send(t, conn, v.sent(t))
				switch want := wantAnswer(t, v, name); {
				case v.name() == "udp/binary": // no text, so a STAMP packet, which the reference does not know
					answered++
					wantStampReply(t, conn, v.sent(t))
				case want != "":
					answered++
					wantDatagram(t, conn, v, want)
				default:
					dropped++
				}
				wantDatagram(t, conn, v, mark(conn))
			}
			out, c := p.stop()
			c.want("probes_received", answered+marks, "probes_malformed", dropped)
			if got := out.counts["udp.wan.owd"]; got != answered+marks {
				t.Errorf("%d delays printed, want %d, one per answer", got, answered+marks)
			}
		})
	}
}

// A request a connection, whose end is closed behind it: what can be read until the daemon closes its
// end is all that the request got.
func TestStreamsAreAnsweredAsByTheReferenceServer(t *testing.T) {
	bothWays(t, testStreamsAreAnsweredAsByTheReferenceServer)
}

func testStreamsAreAnsweredAsByTheReferenceServer(t *testing.T, m mode) {
	for _, name := range serverNames {
		t.Run(name, func(t *testing.T) {
			p, port, _ := startServer(t, m, name)
			answered := 0
			for _, v := range vectors(t, func(v vector) bool { return v.Transport == "tcp" }) {
				conn := dial(t, "tcp", port)
				send(t, conn, v.sent(t))
				if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(conn)
				want := wantAnswer(t, v, name)
				if err != nil || anyTime(string(got)) != want {
					t.Errorf("%s: %q is answered with %q, %v, want %q", v.name(), v.sent(t), got, err, want)
				}
				if want != "" {
					answered++
				}
			}
			out, c := p.stop()
			c.want("probes_received", answered)
			if got := out.counts["tcp.wan.owd"]; got != answered {
				t.Errorf("%d delays printed, want %d, one per answer", got, answered)
			}
		})
	}
}

// The reference client sends one probe after the other over its connection. It has one for each target,
// with the tags of that.
func TestStreamOfTheReferenceClientIsAnswered(t *testing.T) {
	bothWays(t, testStreamOfTheReferenceClientIsAnswered)
}

func testStreamOfTheReferenceClientIsAnswered(t *testing.T, m mode) {
	p, port, _ := startServer(t, m, serverName)
	connections := map[string]net.Conn{}
	probes := vectors(t, func(v vector) bool { return v.Transport == "tcp" && v.fromClient() })
	for _, v := range probes {
		tags := strings.Split(string(v.sent(t)), "|")[3]
		if connections[tags] == nil {
			connections[tags] = dial(t, "tcp", port)
		}
		conn := connections[tags]
		send(t, conn, v.sent(t))
		got := make([]byte, len(v.sent(t)))
		if _, err := io.ReadFull(conn, got); err != nil {
			t.Fatalf("%s: %v", v.name(), err)
		}
		if want := wantAnswer(t, v, serverName); anyTime(string(got)) != want {
			t.Errorf("%s: %q is answered with %q, want %q", v.name(), v.sent(t), got, want)
		}
	}
	out, _ := p.stop()
	if got := out.counts["tcp.wan.owd"]; got != len(probes) {
		t.Errorf("%d delays printed, want %d, one per probe", got, len(probes))
	}
	tags := []string{"source:" + clientName, "target:" + serverName, `note:it's "q"`, "city:Zürich", `a:b\c`}
	if got := len(out.values("tcp.wan.owd", tags...)); got != 3 {
		t.Errorf("%d delays with the tags %q, want 3", got, tags)
	}
}

func dial(t *testing.T, transport string, port int) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout(transport, fmt.Sprintf("%s:%d", loopback, port), waittest.Patience())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(waittest.Patience())); err != nil {
		t.Fatal(err)
	}
	return conn
}

func send(t *testing.T, conn net.Conn, message string) {
	t.Helper()
	if _, err := io.WriteString(conn, message); err != nil {
		t.Fatal(err)
	}
}

func wantDatagram(t *testing.T, conn net.Conn, v vector, want string) {
	t.Helper()
	buf := make([]byte, 2048)
	n, err := conn.Read(buf)
	if got := anyTime(string(buf[:n])); err != nil || got != want {
		t.Errorf("%s: after %q came %q, %v, want %q", v.name(), v.sent(t), got, err, want)
	}
}

// wantStampReply reads the reply to a STAMP packet without authentication.
func wantStampReply(t *testing.T, conn net.Conn, sent string) {
	t.Helper()
	buf := make([]byte, 2048)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	var codec stamp.Codec
	reply, err := codec.DecodeReflector(buf[:n])
	if err != nil {
		t.Fatal(err)
	}
	probe, err := codec.DecodeSender([]byte(sent))
	if err != nil {
		t.Fatal(err)
	}
	if n != len(sent) || reply.SenderSeq != probe.Seq || reply.T1 != probe.T1 {
		t.Errorf("reply of %d octets to number %d of time %d, want %d, %d, %d",
			n, reply.SenderSeq, reply.T1, len(sent), probe.Seq, probe.T1)
	}
}
