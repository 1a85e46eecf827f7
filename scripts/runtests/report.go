package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// otherPlatform starts the reason of a skip that no installation and no privilege can cure.
const otherPlatform = "not on this platform:"

// location is what testing puts before a message.
var location = regexp.MustCompile(`^\S+\.go:\d+: `)

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action  string
	Package string
	Test    string // empty in events of the package itself
	Output  string
}

type skip struct{ pkg, test, reason string }

// report turns the events of go test back into the text go test prints without -v, and remembers
// the skips.
type report struct {
	out      io.Writer
	packages map[string]*packageRun
	skips    []skip
}

type packageRun struct {
	own    []string            // lines that belong to no test
	tests  map[string][]string // lines of the tests that have not ended
	order  []string            // names of tests, in the order they started
	cached bool
}

func newReport(out io.Writer) *report {
	return &report{out: out, packages: make(map[string]*packageRun)}
}

func (r *report) read(src io.Reader) error {
	lines := bufio.NewReader(src)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			r.line(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) line(line []byte) {
	var e event
	if err := json.Unmarshal(line, &e); err != nil {
		_, _ = r.out.Write(line)
		return
	}
	if e.Action == "build-output" {
		r.print(e.Output)
	}
	if e.Package == "" {
		return
	}
	p := r.packages[e.Package]
	if p == nil {
		p = &packageRun{tests: make(map[string][]string)}
		r.packages[e.Package] = p
	}
	if e.Test == "" {
		r.packageEvent(p, e)
	} else {
		r.testEvent(p, e)
	}
}

func (r *report) testEvent(p *packageRun, e event) {
	switch e.Action {
	case "run":
		p.order = append(p.order, e.Test)
	case "output":
		if !strings.HasPrefix(e.Output, "=== ") {
			p.tests[e.Test] = append(p.tests[e.Test], e.Output)
		}
	case "fail":
		r.print(p.tests[e.Test]...)
		delete(p.tests, e.Test)
	case "skip":
		r.skips = append(r.skips, skip{e.Package, e.Test, reason(p.tests[e.Test])})
		delete(p.tests, e.Test)
	case "pass":
		delete(p.tests, e.Test)
	}
}

func (r *report) packageEvent(p *packageRun, e event) {
	switch e.Action {
	case "output":
		p.own = append(p.own, e.Output)
		p.cached = p.cached || strings.Contains(e.Output, "\t(cached)")
	case "fail":
		// Tests that have not ended are those a panic or the time limit took down.
		for _, name := range p.order {
			r.print(p.tests[name]...)
		}
		r.print(p.own...)
	case "pass", "skip":
		// The last line is the verdict: "ok <tab> PACKAGE", "? <tab> PACKAGE [no test files]".
		if len(p.own) > 0 {
			r.print(p.own[len(p.own)-1])
		}
	}
}

func (r *report) print(lines ...string) {
	for _, line := range lines {
		_, _ = io.WriteString(r.out, line)
	}
}

// takeCachedSkips forgets the skips that come from cached runs and returns their packages.
func (r *report) takeCachedSkips() []string {
	var stale []string
	r.skips = slices.DeleteFunc(r.skips, func(s skip) bool {
		p := r.packages[s.pkg]
		if p.cached && !slices.Contains(stale, s.pkg) {
			stale = append(stale, s.pkg)
		}
		return p.cached
	})
	for _, name := range stale {
		delete(r.packages, name)
	}
	return stale
}

// printSkips lists the skips and returns how many of them could have run on this platform.
func (r *report) printSkips() int {
	if len(r.skips) == 0 {
		return 0
	}
	unexpected := 0
	fmt.Fprintf(r.out, "\nSkipped tests: %d\n", len(r.skips))
	for _, s := range r.skips {
		fmt.Fprintf(r.out, "  %s %s: %s\n", s.pkg, s.test, s.reason)
		if !strings.HasPrefix(s.reason, otherPlatform) {
			unexpected++
		}
	}
	return unexpected
}

// reason returns the message of t.Skip, which is the last thing a skipped test logs.
func reason(lines []string) string {
	for i, line := range slices.Backward(lines) {
		text := strings.TrimSpace(line)
		if loc := location.FindString(text); loc != "" {
			return strings.TrimPrefix(text, loc) + rest(lines[i+1:])
		}
	}
	return "no reason given"
}

// rest joins the further lines of a message; the verdict "--- SKIP: ..." follows them.
func rest(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		if !strings.HasPrefix(line, "    ") {
			break
		}
		b.WriteString(" " + strings.TrimSpace(line))
	}
	return b.String()
}
