package clickhouse

import (
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

// The columns of a point, in the order of Config.Columns.
const (
	nameColumn = iota
	timeColumn
	valueColumn
	tagsColumn
	insertedColumn
	columnCount
)

// wanted is which types the columns may have, LowCardinality or Nullable or not.
var wanted = [columnCount]string{
	nameColumn:     "String",
	timeColumn:     "DateTime64, DateTime, Int64 or UInt64",
	valueColumn:    "Int64, UInt64 or Float64",
	tagsColumn:     "Map(String, String) or Array(String)",
	insertedColumn: "DateTime64, DateTime, Int64 or UInt64",
}

// described is a column as the server describes it.
type described struct {
	name, typ string
	computed  bool // by the server alone: it can't be inserted
}

// target is the table as it is.
type target struct {
	statement string // INSERT INTO …
	columns   []clickhouse.ColumnNameAndType
	writers   []writer // of columns
	checks    []check
}

// check returns why a point can't be in the table, nil if it can. The client's columns would wrap such a
// value, and the server would take it.
type check func(p exporter.Point) error

// newTarget finds out how to write into a table that has these columns.
func newTarget(c *Config, there []described, s *scratch) (*target, error) {
	t := new(target)
	var quoted []string
	for i, name := range c.Columns {
		d, err := find(there, name)
		if err != nil {
			return nil, err
		}
		if d.computed && i == insertedColumn {
			continue
		}
		if err := t.add(i, d, s); err != nil {
			return nil, err
		}
		quoted = append(quoted, quote(name))
	}
	t.statement = fmt.Sprintf("INSERT INTO %s (%s)", c.qualified(c.Table), strings.Join(quoted, ", "))
	return t, nil
}

func find(there []described, name string) (described, error) {
	var names []string
	for _, d := range there {
		if d.name == name {
			return d, nil
		}
		names = append(names, d.name)
	}
	return described{}, fmt.Errorf("the table has no column %s: it has %s (name them in columns)",
		name, strings.Join(names, ", "))
}

func (t *target) add(index int, d described, s *scratch) error {
	if d.computed {
		return fmt.Errorf("column %s is computed by the server: must be one that can be inserted", d.name)
	}
	w, fits := s.writer(index, d.typ)
	if w == nil {
		return fmt.Errorf("column %s is %s: must be %s", d.name, d.typ, wanted[index])
	}
	t.columns = append(t.columns, clickhouse.ColumnNameAndType{Name: d.name, Type: d.typ})
	t.writers = append(t.writers, w)
	if fits == nil {
		return nil
	}
	t.checks = append(t.checks, func(p exporter.Point) error {
		if fits(p) {
			return nil
		}
		return fmt.Errorf("column %s, which is %s, can't hold %s", d.name, d.typ, p.AppendJSON(nil))
	})
	return nil
}

// check returns why a point can't be in the table.
func (t *target) check(p exporter.Point) error {
	for _, check := range t.checks {
		if err := check(p); err != nil {
			return err
		}
	}
	return nil
}
