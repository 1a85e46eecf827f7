// Command benchtable makes the tables of bench/README.md from what the benchmarks printed.
//
//	benchtable RESULTS README
//
// RESULTS is the output of `go test -bench`, of several runs, with facts about the machine on top as
// comments; README has marks, between which the tables are written. The table of targets is printed too.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: benchtable RESULTS README")
		os.Exit(2)
	}
	if err := run(os.Stdout, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "benchtable:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, resultsPath, readmePath string) error {
	raw, err := os.ReadFile(resultsPath)
	if err != nil {
		return err
	}
	r, err := parse(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", resultsPath, err)
	}
	old, err := os.ReadFile(readmePath)
	if err != nil {
		return err
	}
	sections := sectionsOf(r, targets)
	text, err := fill(string(old), sections)
	if err != nil {
		return fmt.Errorf("%s: %w", readmePath, err)
	}
	if err := os.WriteFile(readmePath, []byte(text), 0o644); err != nil {
		return err
	}
	_, err = io.WriteString(out, sections["targets"])
	return err
}

// sectionsOf are the texts that have a place in README, by the name of their marks.
func sectionsOf(r *results, targets []target) map[string]string {
	sections := map[string]string{
		"targets": targetTable(r, targets),
		"machine": "```\n" + strings.Join(r.facts, "\n") + "\n```\n",
	}
	for _, name := range r.names() {
		sections[name] = section(r, name)
	}
	return sections
}
