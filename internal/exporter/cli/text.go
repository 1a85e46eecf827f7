package cli

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

const (
	// timeLayout is that of the log, to the microsecond. UTC, so that lines of hosts in several time zones
	// can be laid side by side.
	timeLayout = "2006-01-02T15:04:05.000000Z07:00"

	metricWidth = len("udp.wan.loss.backward")
	numberWidth = len("-999.999")
	valueWidth  = numberWidth + len(" ms")

	// widestPath is where the columns stop to move to the right: a longer path only moves those of its
	// own line.
	widestPath = 40

	maxLabels = 10_000 // series whose texts are kept; then all are made anew
)

// text writes points for eyes: a line each, in columns.
//
//	2026-01-12T12:58:54.587069Z  paris -> tokyo  udp.wan.rtt              212.047 ms  isp:local
type text struct {
	labels map[*exporter.Series]label
	width  int // of the column of paths: the widest so far
}

// label is what a line says of its series.
type label struct {
	path  string
	width int // of path, in characters
	tags  string
}

func newText() *text {
	return &text{labels: map[*exporter.Series]label{}}
}

// append appends the line of a point, without a newline. It allocates for a new series only.
func (t *text) append(dst []byte, p exporter.Point) []byte {
	l, known := t.labels[p.Series]
	if !known {
		l = t.add(p.Series)
	}
	dst = time.Unix(0, p.Time).UTC().AppendFormat(dst, timeLayout)
	dst = append(append(dst, "  "...), l.path...)
	dst = appendSpaces(dst, max(0, t.width-l.width)+2)
	dst = append(dst, p.Series.Name...)
	dst = appendSpaces(dst, max(0, metricWidth-len(p.Series.Name))+2)
	dst = appendValue(dst, p)
	if l.tags != "" {
		dst = append(append(dst, "  "...), l.tags...)
	}
	return dst
}

func (t *text) add(s *exporter.Series) label {
	if len(t.labels) >= maxLabels {
		clear(t.labels)
	}
	l := newLabel(s)
	t.labels[s] = l
	t.width = max(t.width, min(l.width, widestPath))
	return l
}

func newLabel(s *exporter.Series) label {
	source, target := strings.TrimPrefix(s.Tags[0], "source:"), strings.TrimPrefix(s.Tags[1], "target:")
	path := source + " -> " + target
	if s.Metric == measurement.HostClockError {
		path = source // this host, at either end
	}
	path = printable(path)
	return label{path: path, width: utf8.RuneCountInString(path), tags: printable(strings.Join(s.Tags[2:], " "))}
}

// printable takes from names what a terminal would obey: they come from other hosts, too.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}

// appendValue appends a value in a column of its own, with the unit that leaves at most three digits
// before the point.
func appendValue(dst []byte, p exporter.Point) []byte {
	if p.Series.Metric.Loss() {
		return append(appendSpaces(dst, valueWidth-len("lost")), "lost"...)
	}
	// Rounding must not make 1000.000 of a unit.
	switch magnitude := max(p.Value, -max(p.Value, -math.MaxInt64)); {
	case magnitude < int64(time.Millisecond):
		return append(appendThousandths(dst, p.Value), " µs"...)
	case magnitude < int64(time.Second-500*time.Nanosecond):
		return append(appendThousandths(dst, rounded(p.Value, 1e3)), " ms"...)
	}
	return append(appendThousandths(dst, rounded(p.Value, 1e6)), "  s"...)
}

// rounded divides, and rounds half away from 0.
func rounded(value, by int64) int64 {
	quotient, rest := value/by, value%by
	switch {
	case rest >= by/2:
		return quotient + 1
	case rest <= -by/2:
		return quotient - 1
	}
	return quotient
}

// appendThousandths appends value / 1000, right-aligned, with three digits behind the point.
func appendThousandths(dst []byte, value int64) []byte {
	var digits [32]byte
	number := digits[:0]
	if value < 0 {
		number, value = append(number, '-'), -value
	}
	number = strconv.AppendInt(number, value/1000, 10)
	number = append(number, '.', byte('0'+value/100%10), byte('0'+value/10%10), byte('0'+value%10))
	return append(appendSpaces(dst, numberWidth-len(number)), number...)
}

// appendSpaces appends n spaces, none if n is negative.
func appendSpaces(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, ' ')
	}
	return dst
}
