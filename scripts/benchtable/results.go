package main

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// results are what the runs of all benchmarks printed.
type results struct {
	facts      []string // "key: value"
	benchmarks []*benchmark
	skipped    []skip
	failed     []string // names
}

// benchmark is one that measured something: a benchmark without sub-benchmarks, or one of these.
type benchmark struct {
	name string
	runs map[string][]float64 // by unit: a value of each run
}

type skip struct{ name, reason string }

var (
	// processors is what testing puts behind a name when GOMAXPROCS is not 1.
	processors = regexp.MustCompile(`-[0-9]+$`)
	// location is what testing puts before a message.
	location = regexp.MustCompile(`^ +\S+\.go:\d+: `)
)

// parser reads the lines of `go test -v -bench`. With -v, what a benchmark logs, and with it the reason of a skip,
// stands before the line that says how it ended.
type parser struct {
	results
	running string // the benchmark that began last, of the go test that runs
	logged  string // the latest message
}

func parse(raw []byte) (*results, error) {
	p := new(parser)
	number := 0
	for line := range bytes.Lines(raw) {
		number++
		if err := p.line(strings.TrimRight(string(line), "\r\n")); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	return &p.results, nil
}

func (p *parser) line(line string) error {
	fact, isFact := strings.CutPrefix(line, "# ")
	skipped, isSkip := strings.CutPrefix(line, "--- SKIP: ")
	failed, isFail := strings.CutPrefix(line, "--- FAIL: ")
	switch {
	case isFact:
		p.facts = append(p.facts, fact)
	case isSkip:
		p.skipped = append(p.skipped, skip{plain(skipped), p.logged})
	case isFail:
		p.fail(plain(failed))
	case strings.HasPrefix(line, "Benchmark"):
		p.logged = ""
		return p.result(line)
	case strings.HasPrefix(line, "FAIL\t"), strings.HasPrefix(line, "ok  \t"):
		p.end(line)
	case location.MatchString(line):
		p.logged = location.ReplaceAllString(line, "")
	case strings.HasPrefix(line, "        ") && p.logged != "":
		p.logged += " " + strings.TrimSpace(line)
	}
	return nil
}

// plain is a name, which may have a time behind it, without the number of processors.
func plain(name string) string {
	name, _, _ = strings.Cut(name, " ")
	return processors.ReplaceAllString(name, "")
}

// whole is the name of the benchmark that one is part of.
func whole(name string) string {
	name, _, _ = strings.Cut(name, "/")
	return name
}

// fail records a failure; a benchmark that failed since a part of it did is not one more.
func (p *parser) fail(name string) {
	part := func(other string) bool { return other == name || strings.HasPrefix(other, name+"/") }
	if !slices.ContainsFunc(p.failed, part) {
		p.failed = append(p.failed, name)
	}
}

// end is the end of one go test. A benchmark that took it down, as a panic does, has no line that says so.
func (p *parser) end(line string) {
	reported := slices.ContainsFunc(p.failed, func(name string) bool { return whole(name) == whole(p.running) })
	if strings.HasPrefix(line, "FAIL") && p.running != "" && !reported {
		p.fail(p.running)
	}
	p.running = ""
}

// result reads a line such as "BenchmarkX/a=1-2  1  1100141898 ns/op  4.000 late-max-ns". A name alone says that the
// benchmark begins.
func (p *parser) result(line string) error {
	fields := strings.Fields(line)
	if len(fields) == 1 {
		p.running = fields[0]
		return nil
	}
	if len(fields)%2 != 0 {
		return fmt.Errorf("not a result of a benchmark: %q", line)
	}
	if _, err := strconv.Atoi(fields[1]); err != nil {
		return fmt.Errorf("not a number of iterations: %q in %q", fields[1], line)
	}
	b := p.benchmark(plain(fields[0]))
	for i := 2; i < len(fields); i += 2 {
		value, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return fmt.Errorf("not a value: %q in %q", fields[i], line)
		}
		// How long an experiment took is no figure, and 0 divided by 0 is none either.
		if unit := fields[i+1]; unit != "ns/op" && !math.IsNaN(value) {
			b.runs[unit] = append(b.runs[unit], value)
		}
	}
	return nil
}

func (p *parser) benchmark(name string) *benchmark {
	if b := p.find(name); b != nil {
		return b
	}
	b := &benchmark{name: name, runs: make(map[string][]float64)}
	p.benchmarks = append(p.benchmarks, b)
	return b
}

// find returns the benchmark of a name, or nil.
func (r *results) find(name string) *benchmark {
	i := slices.IndexFunc(r.benchmarks, func(b *benchmark) bool { return b.name == name })
	if i < 0 {
		return nil
	}
	return r.benchmarks[i]
}

// names are those of all whole benchmarks that ran, also of those that were skipped or failed.
func (r *results) names() []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, whole(name)) {
			names = append(names, whole(name))
		}
	}
	for _, b := range r.benchmarks {
		add(b.name)
	}
	for _, s := range r.skipped {
		add(s.name)
	}
	for _, name := range r.failed {
		add(name)
	}
	return names
}

// span is how long each run measured, according to the facts; 0 if they do not say.
func (r *results) span() time.Duration {
	for _, fact := range r.facts {
		if text, ok := strings.CutPrefix(fact, "span: "); ok {
			span, _ := time.ParseDuration(text)
			return span
		}
	}
	return 0
}
