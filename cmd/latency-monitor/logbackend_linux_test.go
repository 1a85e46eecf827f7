package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// loggedPoints are the lines of a log that are points, without their times, by level.
func loggedPoints(log []string) map[string][]string {
	points := map[string][]string{}
	for _, line := range log {
		_, rest, _ := strings.Cut(line, " ")
		level, message, _ := strings.Cut(rest, " ")
		if referenceShape.MatchString(message) {
			points[level] = append(points[level], message)
		}
	}
	return points
}

// onlyLevel checks that all points of a log are at the level, and returns them.
func onlyLevel(t *testing.T, log []string, level string) []string {
	t.Helper()
	points := loggedPoints(log)
	for other, lines := range points {
		if other != level {
			t.Errorf("%d points at level %s, such as %q, want all at %s", len(lines), other, lines[0], level)
		}
	}
	return points[level]
}

// probeItself configures a daemon that probes itself over all transports.
func probeItself(t *testing.T) string {
	t.Helper()
	config, _, _ := onLoopback(t)
	return config + fmt.Sprintf("interval = 5\n[[targets]]\nhost = %q\nlabel = \"itself\"\n", loopback)
}

// The points are in the log, at the level of the backend; there is nothing on standard output.
func TestLogBackendLogsEveryPointAtItsLevel(t *testing.T) {
	bothWays(t, testLogBackendLogsEveryPointAtItsLevel)
}

func testLogBackendLogsEveryPointAtItsLevel(t *testing.T, m mode) {
	for _, test := range []struct {
		name, config string
		args         []string
		want         string
	}{
		{"by option, at the default", "", []string{"-m", "log"}, "WARNING"},
		{"by option, where warnings are the least that is logged", "", []string{"-m", "log", "-l", "warning"}, "WARNING"},
		{"at INFO", "[metrics]\nbackend = \"log\"\nlevel = \"info\"\n", nil, "INFO"},
		{"at the file's level, by option, too", "[metrics]\nbackend = \"log\"\nlevel = \"info\"\n", []string{"-m", "log"}, "INFO"},
		{"at DEBUG", "[metrics]\nbackend = \"log\"\nlevel = \"debug\"\n", []string{"-l", "DEBUG"}, "DEBUG"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := launch(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: probeItself(t) + test.config, args: test.args})
			for _, metric := range delays {
				p.waitLogged(20, " "+test.want+` {"metric": "`+metric+`", `)
			}
			p.signal(os.Interrupt)
			out := p.end()
			p.checkEnd(out)
			if len(out.points) > 0 {
				t.Errorf("%d points on standard output, want none", len(out.points))
			}
			logged := onlyLevel(t, out.log, test.want)
			if slices.Contains(test.args, "warning") {
				return // and the counters are not logged
			}
			p.counters(out).want("log_sent", len(logged), "export_dropped", 0)
		})
	}
}

// With a log file there is nothing on standard error; what was logged before stays.
func TestLogFileGetsTheLogAndItsPoints(t *testing.T) { bothWays(t, testLogFileGetsTheLogAndItsPoints) }

func testLogFileGetsTheLogAndItsPoints(t *testing.T, m mode) {
	file := filepath.Join(t.TempDir(), "latency.log")
	if err := os.WriteFile(file, []byte("an earlier line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := probeItself(t) + "[[metrics]]\nbackend = \"log\"\n[[metrics]]\nbackend = \"cli\"\n"
	p := launch(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: config, args: []string{"--log-file", file}})
	p.waitPoints(20, delays...)
	p.signal(os.Interrupt)
	out := p.end()
	if len(out.log) > 0 {
		t.Errorf("standard error has %q, want nothing", out.log)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out.log = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	p.checkEnd(out)
	if out.log[0] != "an earlier line" || out.logged(startedWith[m]) != 1 {
		t.Errorf("the log file begins with %q, want the earlier line and then the start", out.log[:min(3, len(out.log))])
	}
	logged := onlyLevel(t, out.log, "WARNING")
	if len(logged) != len(out.points) {
		t.Errorf("%d points logged, want %d, those on standard output", len(logged), len(out.points))
	}
	checkPrinted(out, p.counters(out))
	p.counters(out).want("log_sent", len(logged))
}
