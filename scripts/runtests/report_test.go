package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// stream encodes events as `go test -json` does. Each row is Action, Package, Test, Output.
func stream(rows ...[4]string) string {
	var b strings.Builder
	for _, row := range rows {
		line, err := json.Marshal(event{Action: row[0], Package: row[1], Test: row[2], Output: row[3]})
		if err != nil {
			panic(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.String()
}

func TestReportPrintsWhatGoTestPrints(t *testing.T) {
	tests := []struct {
		name   string
		events [][4]string
		want   string
	}{
		{
			"a passing package is one line",
			[][4]string{
				{"run", "p", "TestA", ""},
				{"output", "p", "TestA", "    a_test.go:1: log\n"},
				{"pass", "p", "TestA", ""},
				{"output", "p", "", "PASS\n"},
				{"output", "p", "", "ok  \tp\t0.1s\n"},
				{"pass", "p", "", ""},
			},
			"ok  \tp\t0.1s\n",
		},
		{
			"a failing test shows its output, a passing one beside it does not",
			[][4]string{
				{"run", "p", "TestA", ""},
				{"output", "p", "TestA", "=== RUN   TestA\n"},
				{"output", "p", "TestA", "    a_test.go:1: bad\n"},
				{"fail", "p", "TestA", ""},
				{"output", "p", "TestB", "    a_test.go:2: fine\n"},
				{"pass", "p", "TestB", ""},
				{"output", "p", "", "FAIL\tp\t0.1s\n"},
				{"fail", "p", "", ""},
			},
			"    a_test.go:1: bad\nFAIL\tp\t0.1s\n",
		},
		{
			"a test that never ended shows its output",
			[][4]string{
				{"run", "p", "TestA", ""},
				{"output", "p", "TestA", "panic: test timed out\n"},
				{"output", "p", "", "FAIL\tp\t0.1s\n"},
				{"fail", "p", "", ""},
			},
			"panic: test timed out\nFAIL\tp\t0.1s\n",
		},
		{
			"compiler errors are shown",
			[][4]string{{"build-output", "", "", "a.go:1:1: syntax error\n"}},
			"a.go:1:1: syntax error\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if err := newReport(&out).read(strings.NewReader(stream(tt.events...))); err != nil {
				t.Fatal(err)
			}
			if out.String() != tt.want {
				t.Errorf("output = %q, want %q", out.String(), tt.want)
			}
		})
	}
}

func skipOf(pkg, test string, output ...string) string {
	var rows [][4]string
	for _, line := range append(output, "--- SKIP: "+test+" (0.00s)\n") {
		rows = append(rows, [4]string{"output", pkg, test, line})
	}
	return stream(append(rows, [4]string{"skip", pkg, test, ""})...)
}

func TestSkipsAreListedWithTheirReason(t *testing.T) {
	tests := []struct {
		name           string
		events         string
		wantLine       string
		wantUnexpected int
	}{
		{"a reason", skipOf("p", "TestA", "    a_test.go:7: needs root\n"), "p TestA: needs root", 1},
		{
			"a reason of two lines after a log line",
			skipOf("p", "TestA", "    a_test.go:6: log\n", "    a_test.go:7: needs\n", "        root\n"),
			"p TestA: needs root", 1,
		},
		{"no reason", skipOf("p", "TestA/sub"), "p TestA/sub: no reason given", 1},
		{
			"another platform's test",
			skipOf("p", "TestA", "    a_test.go:7: not on this platform: epoll\n"),
			"p TestA: not on this platform: epoll", 0,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			r := newReport(&out)
			if err := r.read(strings.NewReader(tt.events)); err != nil {
				t.Fatal(err)
			}
			if got := r.printSkips(); got != tt.wantUnexpected {
				t.Errorf("printSkips() = %d, want %d", got, tt.wantUnexpected)
			}
			if !strings.Contains(out.String(), "  "+tt.wantLine+"\n") {
				t.Errorf("output = %q, want a line %q", out.String(), tt.wantLine)
			}
		})
	}
}

func TestCachedSkipsAreTakenForAnotherRun(t *testing.T) {
	events := skipOf("cached", "TestA", "    a_test.go:7: needs ip\n") +
		stream([4]string{"output", "cached", "", "ok  \tcached\t(cached)\n"}) +
		skipOf("fresh", "TestB", "    b_test.go:7: needs root\n")
	var out strings.Builder
	r := newReport(&out)
	if err := r.read(strings.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	if got, want := r.takeCachedSkips(), []string{"cached"}; !slices.Equal(got, want) {
		t.Errorf("takeCachedSkips() = %q, want %q", got, want)
	}
	if got := r.printSkips(); got != 1 {
		t.Errorf("printSkips() = %d, want 1, the fresh one", got)
	}
}
