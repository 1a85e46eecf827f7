package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// template has the marks that all golden files have.
const template = `# Measured

<!-- begin targets -->
<!-- end targets -->
<!-- begin machine -->

old

<!-- end machine -->

Between.

<!-- begin BenchmarkPacing -->
old
<!-- end BenchmarkPacing -->
<!-- begin BenchmarkCost -->
<!-- end BenchmarkCost -->

After.
`

func goldenTargets() []target {
	return []target{
		{"p99 idle", median{"BenchmarkPacing/idle/priority=0", "late-p99-ns"}, atMost(20e3)},
		{"p99 busy", median{"BenchmarkPacing/busy/priority=10", "late-p99-ns"}, atMost(2e3)},
		{"slots skipped in 60 s", total{median{"BenchmarkPacing/idle/priority=0", "skipped"}, time.Minute}, atMost(0)},
		{"slots skipped in an hour", total{median{"BenchmarkPacing/idle/priority=0", "skipped"}, time.Hour}, atMost(0)},
		{"irtt's over ours", median{"BenchmarkPacing/idle/priority=0", "irtt/ours"}, atLeast(5)},
		{"memory", median{"BenchmarkCost", "rss-MB"}, atMost(30)},
	}
}

// The files of testdata are: five runs; one with an experiment skipped, one failed, and a unit that is not in
// all runs; and a benchmark with more experiments than a table has columns.
func TestTablesAreGolden(t *testing.T) {
	for _, name := range []string{"medians", "missing", "wide"} {
		t.Run(name, func(t *testing.T) {
			got := readmeOf(t, filepath.Join("testdata", name+".txt"), template, goldenTargets())
			golden := filepath.Join("testdata", name+".md")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := read(t, golden); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// What is in the tables of bench/README.md was measured, not typed.
func TestReadmeIsMadeOfTheResults(t *testing.T) {
	folder := filepath.Join("..", "..", "bench")
	readme := read(t, filepath.Join(folder, "README.md"))
	if readmeOf(t, filepath.Join(folder, "results.txt"), readme, targets) != readme {
		t.Error("tables differ; write them with: go run ./scripts/benchtable bench/results.txt bench/README.md")
	}
}

func readmeOf(t *testing.T, resultsPath, readme string, targets []target) string {
	t.Helper()
	r, err := parse([]byte(read(t, resultsPath)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := fill(readme, sectionsOf(r, targets))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
