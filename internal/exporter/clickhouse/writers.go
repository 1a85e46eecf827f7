package clickhouse

import (
	"math"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/column"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

// writer appends one column of some rows to a block.
type writer func(c column.Interface, r rows) error

// rows are what goes into a block.
type rows struct {
	points   []exporter.Point
	inserted time.Time
}

// scratch is memory that writers use again and again.
type scratch struct {
	times    []time.Time
	integers []int64
	naturals []uint64
	floats   []float64
	series   map[*exporter.Series]*boxed
}

// maxSeries bounds how many series are remembered. Few hosts have as many at a time.
const maxSeries = 16 << 10

// boxed is a series as the client's columns take it, made once: boxing it anew for each row would
// allocate.
type boxed struct {
	name  any
	array any // []*string for Array(String), []string for Array(LowCardinality(String))
	pairs *pairs
}

func (s *scratch) box(series *exporter.Series) *boxed {
	if b := s.series[series]; b != nil {
		return b
	}
	if s.series == nil || len(s.series) >= maxSeries {
		s.series = make(map[*exporter.Series]*boxed)
	}
	b := &boxed{name: series.Name, pairs: newPairs(series.Tags)}
	s.series[series] = b
	return b
}

// writer returns how to write a column of some type, nil if it can't be written, and which points fit
// into it, nil if all do.
func (s *scratch) writer(index int, typ string) (w writer, fits func(exporter.Point) bool) {
	typ = unwrap(typ)
	family, parameters, _ := strings.Cut(typ, "(")
	parameters = strings.TrimSuffix(parameters, ")")
	switch {
	case index == nameColumn && family == "String":
		return s.names, nil
	case index == timeColumn:
		return s.timeWriter(family)
	case index == valueColumn:
		return s.valueWriter(family)
	case index == tagsColumn && family == "Array" && unwrap(parameters) == "String":
		return s.arrayWriter(parameters), nil
	case index == tagsColumn && family == "Map":
		keys, values, _ := strings.Cut(parameters, ", ")
		if unwrap(keys) == "String" && unwrap(values) == "String" {
			return s.maps, nil
		}
	case index == insertedColumn:
		return insertedWriter(family), nil
	}
	return nil, nil
}

// unwrap takes off what makes no difference to those who append to a column.
func unwrap(typ string) string {
	for _, wrapper := range []string{"LowCardinality(", "Nullable("} {
		if inner, wrapped := strings.CutPrefix(typ, wrapper); wrapped {
			typ = strings.TrimSuffix(inner, ")")
		}
	}
	return typ
}

func (s *scratch) names(c column.Interface, r rows) error {
	for i := range r.points {
		if err := c.AppendRow(s.box(r.points[i].Series).name); err != nil {
			return err
		}
	}
	return nil
}

// maxDateTime is the last second of a DateTime, in nanoseconds.
const maxDateTime = math.MaxUint32 * int64(time.Second)

func (s *scratch) timeWriter(family string) (writer, func(exporter.Point) bool) {
	switch family {
	case "DateTime64":
		return s.timestamps, nil
	case "DateTime":
		return s.timestamps, func(p exporter.Point) bool { return 0 <= p.Time && p.Time <= maxDateTime }
	case "Int64":
		return s.integersOf(func(p exporter.Point) int64 { return p.Time }), nil
	case "UInt64":
		return s.naturalsOf(func(p exporter.Point) int64 { return p.Time }), func(p exporter.Point) bool { return p.Time >= 0 }
	}
	return nil, nil
}

func (s *scratch) timestamps(c column.Interface, r rows) error {
	s.times = s.times[:0]
	for i := range r.points {
		s.times = append(s.times, time.Unix(0, r.points[i].Time))
	}
	_, err := c.Append(s.times)
	return err
}

func (s *scratch) valueWriter(family string) (writer, func(exporter.Point) bool) {
	switch family {
	case "Int64":
		return s.integersOf(func(p exporter.Point) int64 { return p.Value }), nil
	case "UInt64":
		return s.naturalsOf(func(p exporter.Point) int64 { return p.Value }), func(p exporter.Point) bool { return p.Value >= 0 }
	case "Float64":
		return s.floatValues, nil
	}
	return nil, nil
}

func (s *scratch) integersOf(field func(exporter.Point) int64) writer {
	return func(c column.Interface, r rows) error {
		s.integers = s.integers[:0]
		for _, p := range r.points {
			s.integers = append(s.integers, field(p))
		}
		_, err := c.Append(s.integers)
		return err
	}
}

func (s *scratch) naturalsOf(field func(exporter.Point) int64) writer {
	return func(c column.Interface, r rows) error {
		s.naturals = s.naturals[:0]
		for _, p := range r.points {
			s.naturals = append(s.naturals, uint64(field(p)))
		}
		_, err := c.Append(s.naturals)
		return err
	}
}

func (s *scratch) floatValues(c column.Interface, r rows) error {
	s.floats = s.floats[:0]
	for i := range r.points {
		s.floats = append(s.floats, float64(r.points[i].Value))
	}
	_, err := c.Append(s.floats)
	return err
}

// arrayWriter passes strings by pointer, which allocates nothing, unless the client would take pointers
// for the keys of its dictionary.
func (s *scratch) arrayWriter(element string) writer {
	box := func(tags []string) any { return tags }
	if element == "String" {
		box = func(tags []string) any {
			pointers := make([]*string, len(tags))
			for i := range tags {
				pointers[i] = &tags[i]
			}
			return pointers
		}
	}
	return func(c column.Interface, r rows) error {
		for i := range r.points {
			b := s.box(r.points[i].Series)
			if b.array == nil {
				b.array = box(r.points[i].Series.Tags)
			}
			if err := c.AppendRow(b.array); err != nil {
				return err
			}
		}
		return nil
	}
}

func (s *scratch) maps(c column.Interface, r rows) error {
	for i := range r.points {
		if err := c.AppendRow(s.box(r.points[i].Series).pairs); err != nil {
			return err
		}
	}
	return nil
}

func insertedWriter(family string) writer {
	var box func(at time.Time) any
	switch family {
	case "DateTime64", "DateTime":
		box = func(at time.Time) any { return at }
	case "Int64":
		box = func(at time.Time) any { return at.UnixNano() }
	case "UInt64":
		box = func(at time.Time) any { return uint64(at.UnixNano()) }
	default:
		return nil
	}
	return func(c column.Interface, r rows) error {
		at := box(r.inserted)
		for range r.points {
			if err := c.AppendRow(at); err != nil {
				return err
			}
		}
		return nil
	}
}
