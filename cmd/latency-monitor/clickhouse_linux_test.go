package main_test

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
	"github.com/latency-monitor/latency-monitor/internal/serverstest"
)

// The server is down at the start, and then is there: the daemon measures all the time, and what it
// counts as sent is in the table that it creates.
func TestDaemonFillsATableOfClickHouseOnceItIsThere(t *testing.T) {
	bothWays(t, testDaemonFillsATableOfClickHouseOnceItIsThere)
}

func testDaemonFillsATableOfClickHouseOnceItIsThere(t *testing.T, m mode) {
	server := serverstest.ClickHouseModern(t)
	host, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
	config := probeItself(t) + fmt.Sprintf("[metrics]\nbackend = \"clickhouse\"\nhost = %q\nport = %s\nusername = %q\n"+
		"compression = \"gzip\"\ncreate_table = true\nsend_interval = 0.2\n", host, port, serverstest.User)
	p := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: config,
		env: []string{"LATENCY_MONITOR_CLICKHOUSE_PASSWORD=" + serverstest.Password}})
	p.waitLogged(1, "connection refused")
	server.Restart()
	p.waitLogged(1, "backend works again")
	p.signal(unix.SIGTERM)
	out := p.end() // stop would not have the error of the outage in the log
	counters := p.counters(out)

	rows, err := strconv.Atoi(strings.TrimSpace(server.Query(t, "SELECT count() FROM metrics WHERE Source = 'a'")))
	if err != nil || rows == 0 || rows != counters.of("clickhouse_sent") {
		t.Errorf("%d rows (%v), and %d counted as sent", rows, err, counters.of("clickhouse_sent"))
	}
	if out.status != 0 {
		t.Errorf("exit status %d, want 0", out.status)
	}
	if out.logged(serverstest.Password) != 0 {
		t.Error("the password is in the log")
	}
	if n := out.logged("backend is away"); n != 1 {
		t.Errorf("the outage is told %d times, want once", n)
	}
}
