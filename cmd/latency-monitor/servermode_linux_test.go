package main_test

import (
	"fmt"
	"net"
	"os/exec"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// There is no address option, so this daemon listens on every address; and nothing to choose the mode by.
func TestMissingDefaultFileMeansServerMode(t *testing.T) {
	tcp, udp := freePorts(t)
	cmd := exec.Command(program(t), "-n", "a", "--tcp-port", fmt.Sprint(tcp), "--udp-port", fmt.Sprint(udp))
	cmd.Dir = t.TempDir()
	p := launchCommand(t, "a", cmd, nil)
	p.waitLogged(1, " INFO no latency.toml in the working directory: server mode, answering probes and sending none")
	p.waitLogged(1, " INFO started ")
	for _, host := range []string{"127.0.0.1", "::1"} {
		for transport, port := range map[string]int{"udp": udp, "tcp": tcp} {
			answersOne(t, transport, net.JoinHostPort(host, fmt.Sprint(port)))
		}
	}
	out, c := p.stop()
	c.want("slots_sent", 0, "probes_received", 4)
	checkPrinted(out, c)
}

// answersOne checks that a daemon named a answers a probe.
func answersOne(t *testing.T, transport, address string) {
	t.Helper()
	conn, err := net.DialTimeout(transport, address, waittest.Patience())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(waittest.Patience())); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "7|b|%d|[]|", time.Now().UnixNano()); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, err := conn.Read(buf)
	if got := anyTime(string(buf[:n])); err != nil || got != "7|a|T|[]|" {
		t.Errorf("%s %s: answer %q, %v, want %q", transport, address, got, err, "7|a|T|[]|")
	}
}
