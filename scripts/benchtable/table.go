package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maximum is in the units of those.
const maximum = "-max"

// widest is how many columns a table may have; benchmarks with more sub-benchmarks get several tables.
const widest = 6

// section has what one benchmark measured, and what of it was not measured and why.
func section(r *results, name string) string {
	var w strings.Builder
	var columns []column
	for _, b := range r.benchmarks {
		if rest, ok := partOf(b.name, name); ok {
			columns = append(columns, column{rest, b})
		}
	}
	writeTables(&w, "", columns)
	for _, s := range r.skipped {
		if rest, ok := partOf(s.name, name); ok {
			fmt.Fprintf(&w, "\nNot measured%s: %s\n", quoted(rest), cmp.Or(s.reason, "no reason given"))
		}
	}
	for _, failed := range r.failed {
		if rest, ok := partOf(failed, name); ok {
			fmt.Fprintf(&w, "\nFailed%s, see [results.txt](results.txt).\n", quoted(rest))
		}
	}
	return strings.TrimPrefix(w.String(), "\n")
}

// partOf returns what a name has after that of the whole benchmark, if it is of that benchmark.
func partOf(name, whole string) (rest string, ok bool) {
	first, rest, _ := strings.Cut(name, "/")
	return rest, first == whole
}

func quoted(name string) string {
	if name == "" {
		return ""
	}
	return " `" + name + "`"
}

// column is a sub-benchmark.
type column struct {
	name string // what is left of it: not in the title of the table
	*benchmark
}

// writeTables writes one table, or one for each first part of the names when it would be too wide.
func writeTables(w *strings.Builder, title string, columns []column) {
	if len(columns) <= widest {
		writeTable(w, title, columns)
		return
	}
	var firsts []string
	groups := make(map[string][]column)
	for _, c := range columns {
		first, rest, _ := strings.Cut(c.name, "/")
		if !slices.Contains(firsts, first) {
			firsts = append(firsts, first)
		}
		groups[first] = append(groups[first], column{rest, c.benchmark})
	}
	for _, first := range firsts {
		writeTables(w, strings.TrimPrefix(title+"/"+first, "/"), groups[first])
	}
}

// writeTable writes a row for each unit that any of the columns has, with the medians over the runs. Of a maximum it is
// the largest one: nobody takes the median of some for what it says.
func writeTable(w *strings.Builder, title string, columns []column) {
	if len(columns) == 0 {
		return
	}
	w.WriteString("\n")
	if title != "" {
		fmt.Fprintf(w, "`%s`:\n\n", title)
	}
	head, rule := []string{""}, []string{"---"}
	for _, c := range columns {
		head, rule = append(head, cmp.Or(c.name, "median")), append(rule, "---")
	}
	row(w, head...)
	row(w, rule...)
	for _, unit := range units(columns) {
		cells := []string{strings.TrimSuffix(unit, nanoseconds)}
		for _, c := range columns {
			cells = append(cells, c.cell(unit))
		}
		row(w, cells...)
	}
}

func (c column) cell(unit string) string {
	values := slices.Sorted(slices.Values(c.runs[unit]))
	if len(values) == 0 {
		return ""
	}
	if strings.Contains(unit, maximum) {
		return format(values[len(values)-1], unit)
	}
	return format(middle(values), unit)
}

// units are sorted, but for a maximum, which comes after all quantiles.
func units(columns []column) []string {
	all := make(map[string]bool)
	for _, c := range columns {
		for unit := range c.runs {
			all[unit] = true
		}
	}
	key := func(unit string) string { return strings.Replace(unit, maximum, "-~", 1) }
	return slices.SortedFunc(maps.Keys(all), func(a, b string) int { return strings.Compare(key(a), key(b)) })
}

func row(w *strings.Builder, cells ...string) {
	w.WriteString("|")
	for _, cell := range cells {
		w.WriteString(strings.TrimRight(" "+cell, " ") + " |")
	}
	w.WriteString("\n")
}
