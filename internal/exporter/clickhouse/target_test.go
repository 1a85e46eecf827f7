package clickhouse

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
)

// referenceColumns are those of the table that the reference implementation's documentation shows.
var referenceColumns = []described{
	{name: "MetricName", typ: "String"},
	{name: "Timestamp", typ: "UInt64"},
	{name: "MetricValue", typ: "UInt64"},
	{name: "Tags", typ: "Map(LowCardinality(String), String)"},
	{name: "InsertedAt", typ: "DateTime64(9)"},
	{name: "RetentionDays", typ: "UInt8"},
}

func withType(index int, typ string) []described {
	columns := slices.Clone(referenceColumns)
	columns[index].typ = typ
	return columns
}

func testConfig() Config {
	return Config{Table: "metrics", Columns: []string{"MetricName", "Timestamp", "MetricValue", "Tags", "InsertedAt"}}
}

func TestTablesThatCanBeWritten(t *testing.T) {
	computed := slices.Clone(referenceColumns)
	computed[insertedColumn].computed = true
	for _, test := range []struct {
		name    string
		columns []described
		want    string // in the INSERT
	}{
		{"the reference's", referenceColumns, "(`MetricName`, `Timestamp`, `MetricValue`, `Tags`, `InsertedAt`)"},
		{"InsertedAt that the server computes", computed, "(`MetricName`, `Timestamp`, `MetricValue`, `Tags`)"},
		{"times of whole seconds", withType(timeColumn, "DateTime('Europe/Prague')"), "`Timestamp`"},
		{"times of any precision", withType(timeColumn, "DateTime64(3, 'UTC')"), "`Timestamp`"},
		{"values with a sign", withType(valueColumn, "Int64"), "`MetricValue`"},
		{"values that may be absent", withType(valueColumn, "Nullable(Int64)"), "`MetricValue`"},
		{"floating point", withType(valueColumn, "Float64"), "`MetricValue`"},
		{"names in a dictionary", withType(nameColumn, "LowCardinality(String)"), "`MetricName`"},
		{"tags as a list", withType(tagsColumn, "Array(String)"), "`Tags`"},
		{"tags as a list from a dictionary", withType(tagsColumn, "Array(LowCardinality(String))"), "`Tags`"},
		{"tags as a plain map", withType(tagsColumn, "Map(String, String)"), "`Tags`"},
		{"InsertedAt as a number", withType(insertedColumn, "UInt64"), "`InsertedAt`"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s scratch
			c := testConfig()
			target, err := newTarget(&c, test.columns, &s)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(target.statement, test.want) {
				t.Errorf("statement %q, want %q in it", target.statement, test.want)
			}
			block := fill(t, target, exportertest.Points(6)[:1])
			if block.Rows() != 1 {
				t.Errorf("%d rows, want 1", block.Rows())
			}
		})
	}
}

// fill writes points as they would be sent.
func fill(t testing.TB, target *target, points []exporter.Point) *proto.Block {
	t.Helper()
	block := proto.NewBlock()
	block.ServerContext.Timezone = time.UTC
	for i, c := range target.columns {
		if err := block.AddColumn(c.Name, column.Type(c.Type)); err != nil {
			t.Fatal(err)
		}
		if err := target.writers[i](block.Columns[i], rows{points, time.Now()}); err != nil {
			t.Fatalf("column %s: %v", c.Name, err)
		}
		if n := block.Columns[i].Rows(); n != len(points) {
			t.Fatalf("column %s has %d rows, want %d", c.Name, n, len(points))
		}
	}
	return block
}

func TestTablesThatCanNotBeWrittenAreNamed(t *testing.T) {
	computed := slices.Clone(referenceColumns)
	computed[valueColumn].computed = true
	for _, test := range []struct {
		name    string
		columns []described
		want    string
	}{
		{"no column", referenceColumns[:3], "the table has no column Tags: it has MetricName, Timestamp, MetricValue (name them in columns)"},
		{"values as text", withType(valueColumn, "String"), "column MetricValue is String: must be Int64, UInt64 or Float64"},
		{"values that are too small", withType(valueColumn, "Int32"), "column MetricValue is Int32: must be"},
		{"a map of numbers", withType(tagsColumn, "Map(String, UInt64)"), "column Tags is Map(String, UInt64): must be Map(String, String) or"},
		{"nested lists", withType(tagsColumn, "Array(Array(String))"), "column Tags is Array(Array(String))"},
		{"computed values", computed, "column MetricValue is computed by the server"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s scratch
			c := testConfig()
			if _, err := newTarget(&c, test.columns, &s); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestRowsThatTheTableCanNotHoldAreFound(t *testing.T) {
	series := exportertest.Points(1)[0].Series
	for _, test := range []struct {
		name    string
		columns []described
		point   exporter.Point
		wantErr bool
	}{
		{"negative value without sign", referenceColumns, exporter.Point{Series: series, Value: -1}, true},
		{"largest value without sign", referenceColumns, exporter.Point{Series: series, Value: math.MaxInt64}, false},
		{"negative time without sign", referenceColumns, exporter.Point{Series: series, Time: -1}, true},
		{"negative value with sign", withType(valueColumn, "Int64"), exporter.Point{Series: series, Value: -1}, false},
		{"time beyond DateTime", withType(timeColumn, "DateTime"), exporter.Point{Series: series, Time: math.MaxInt64}, true},
		{"time before DateTime", withType(timeColumn, "DateTime"), exporter.Point{Series: series, Time: -1}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s scratch
			c := testConfig()
			target, err := newTarget(&c, test.columns, &s)
			if err != nil {
				t.Fatal(err)
			}
			if err := target.check(test.point); (err != nil) != test.wantErr {
				t.Errorf("check = %v, want an error: %v", err, test.wantErr)
			}
		})
	}
}

// BenchmarkRows is the cost of a batch without sending it. The client allocates the columns and its
// dictionaries; a row must not cost an allocation of its own.
func BenchmarkRows(b *testing.B) {
	points := exportertest.Points(50_000)
	for i := range points {
		points[i].Value = int64(i)
	}
	for name, tags := range map[string]string{
		"Map": "Map(LowCardinality(String), String)", "Array": "Array(String)",
		"ArrayOfDictionary": "Array(LowCardinality(String))",
	} {
		b.Run("Tags="+name, func(b *testing.B) {
			var s scratch
			c := testConfig()
			columns := withType(tagsColumn, tags)
			columns[nameColumn].typ, columns[timeColumn].typ = "LowCardinality(String)", "DateTime64(9, 'UTC')"
			target, err := newTarget(&c, columns, &s)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				fill(b, target, points)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(points)), "ns/row")
		})
	}
}
