package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestParseRefusesLinesThatAreNoResults(t *testing.T) {
	tests := []struct {
		name, line string
		want       string // in the error
	}{
		{"a value without a unit", "BenchmarkX-2 1 12 ns/op 3", "not a result"},
		{"a unit without a value", "BenchmarkX-2 1 ns/op", "not a result"},
		{"a result that another text interrupts", "BenchmarkX-2 1 2026-11-28T20:00:00Z INFO started ns/op", "not a value"},
		{"no number of iterations", "BenchmarkX-2 some 12 ns/op", "not a number of iterations"},
		{"a value with a unit in it", "BenchmarkX-2 1 12ns late-p50-ns", "not a value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse([]byte("goos: linux\nBenchmarkX\n" + tt.line + "\n"))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "line 3: ") {
				t.Errorf("parse(%q) = %v, want an error at line 3 with %q", tt.line, err, tt.want)
			}
		})
	}
}

func TestParseReadsWhatGoTestPrints(t *testing.T) {
	tests := []struct {
		name, text string
		want       string // benchmark: unit values
	}{
		{"runs of one name are together", "BenchmarkX-2 1 9 ns/op 3 a\nBenchmarkX-2 1 9 ns/op 1 a\n", "BenchmarkX: a [3 1]"},
		{"a name alone is not a run", "BenchmarkX\nBenchmarkX-2 1 9 ns/op 3 a\n", "BenchmarkX: a [3]"},
		{"one processor", "BenchmarkX/a=1 1 9 ns/op 3 a\n", "BenchmarkX/a=1: a [3]"},
		{"sub-benchmarks", "BenchmarkX/a=1-2 1 9 ns/op 3 a\nBenchmarkX/a=2-2 1 9 ns/op 4 a\n",
			"BenchmarkX/a=1: a [3]; BenchmarkX/a=2: a [4]"},
		{"0 divided by 0", "BenchmarkX-2 1 9 ns/op NaN a/b\nBenchmarkX-2 1 9 ns/op 2 a/b\n", "BenchmarkX: a/b [2]"},
		{"something divided by 0", "BenchmarkX-2 1 9 ns/op +Inf a/b\n", "BenchmarkX: a/b [+Inf]"},
		{"what a benchmark logs", "BenchmarkX\n    x_test.go:1: BenchmarkX-2 is\n        BenchmarkX-2 late\nPASS\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(r); got != tt.want {
				t.Errorf("parse(%q) = %q, want %q", tt.text, got, tt.want)
			}
		})
	}
}

func describe(r *results) string {
	var all []string
	for _, b := range r.benchmarks {
		for _, unit := range slices.Sorted(maps.Keys(b.runs)) {
			all = append(all, fmt.Sprintf("%s: %s %v", b.name, unit, b.runs[unit]))
		}
	}
	return strings.Join(all, "; ")
}

func TestFillRefusesReadmeWithoutAPlace(t *testing.T) {
	sections := map[string]string{"targets": "table\n", "BenchmarkX": "table\n"}
	tests := []struct{ name, readme, want string }{
		{"a benchmark has no marks", "<!-- begin targets -->\n<!-- end targets -->\n", "no marks for BenchmarkX"},
		{"marks do not end", "<!-- begin targets -->\n<!-- begin BenchmarkX -->\n<!-- end BenchmarkX -->\n", `no "<!-- end targets -->"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := fill(tt.readme, sections); err == nil || err.Error() != tt.want {
				t.Errorf("fill(%q) = %v, want %s", tt.readme, err, tt.want)
			}
		})
	}
}

func TestFormatHasReadableUnits(t *testing.T) {
	tests := []struct {
		value float64
		unit  string
		want  string
	}{
		{0, "late-p50-ns", "0 ns"},
		{812.4, "late-p50-ns", "812 ns"},
		{45055, "late-p50-ns", "45.1 µs"},
		{-1500, "owd-error-p50-ns", "-1.5 µs"},
		{6291455, "late-p99-ns", "6.29 ms"},
		{12e9, "late-max-ns", "12 s"},
		{0, "skipped", "0"},
		{1.1, "p50/cyclictest", "1.1"},
		{0.00001234567, "skipped/slot", "0.00001235"},
		{1234567.8, "probes/s", "1234568"},
	}
	for _, tt := range tests {
		if got := format(tt.value, tt.unit); got != tt.want {
			t.Errorf("format(%v, %q) = %q, want %q", tt.value, tt.unit, got, tt.want)
		}
	}
}

func TestMiddleIsTheMedian(t *testing.T) {
	tests := []struct {
		sorted []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{1, 2}, 1.5}, {[]float64{1, 5, 100}, 5}, {[]float64{1, 2, 4, 100}, 3}}
	for _, tt := range tests {
		if got := middle(tt.sorted); got != tt.want {
			t.Errorf("middle(%v) = %v, want %v", tt.sorted, got, tt.want)
		}
	}
}

func TestTargetsJudgeTheSideThatTheySay(t *testing.T) {
	tests := []struct {
		bound bound
		value float64
		want  string
	}{
		{atMost(2), 2, "met"}, {atMost(2), 2.01, "**not met**"}, {atLeast(5), 5, "met"}, {atLeast(5), 4.9, "**not met**"},
		{atMost(0), 0, "met"}, {atMost(0), 1, "**not met**"},
	}
	for _, tt := range tests {
		r := &results{benchmarks: []*benchmark{{name: "BenchmarkX", runs: map[string][]float64{"a": {tt.value}}}}}
		if _, got := (target{"x", median{"BenchmarkX", "a"}, tt.bound}).judge(r); got != tt.want {
			t.Errorf("%v with a target of %s is %q, want %q", tt.value, tt.bound.text("a"), got, tt.want)
		}
	}
}
