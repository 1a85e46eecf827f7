package exporter

import (
	"strconv"
	"unicode/utf8"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// Series is the resolved names of one session and metric. It never changes and may be kept; a
// session has one Series per metric as long as it lives, so the pointer can serve as a key.
type Series struct {
	Metric measurement.Metric
	Name   string   // of the metric
	Tags   []string // source:, target:, then the target's own

	// A point's line is head, time, ", ", value, tail.
	head, tail string
}

// Point is one value of a series.
type Point struct {
	Series *Series
	Time   int64 // nanoseconds since the Unix epoch
	Value  int64 // nanoseconds, or 1 for a lost probe
}

// newSeries takes the tail from outside, so that a session's series share it.
func newSeries(m measurement.Metric, tags []string, tail string) *Series {
	head := append([]byte(`{"metric": `), quotePython(m.String())...)
	head = append(head, `, "points": [[`...)
	return &Series{Metric: m, Name: m.String(), Tags: tags, head: string(head), tail: tail}
}

// Tags are the tags of the series of a session that we probe.
func Tags(s measurement.Session) []string { return resolveTags(s.Source, s.Target, s.Tags) }

func resolveTags(source, target string, own []string) []string {
	tags := make([]string, 0, 2+len(own))
	tags = append(tags, "source:"+source, "target:"+target)
	return append(tags, own...)
}

// tailOf is what follows the value in every line with these tags.
func tailOf(tags []string) string {
	tail := []byte(`]], "tags": [`)
	for i, tag := range tags {
		if i > 0 {
			tail = append(tail, ", "...)
		}
		tail = append(tail, quotePython(tag)...)
	}
	return string(append(tail, "]}"...))
}

// AppendJSON appends the point as one line of JSON, without a newline, in the reference
// implementation's shape, key order and spacing. It allocates only to grow dst.
func (p Point) AppendJSON(dst []byte) []byte {
	dst = append(dst, p.Series.head...)
	dst = strconv.AppendInt(dst, p.Time, 10)
	dst = append(dst, ", "...)
	dst = strconv.AppendInt(dst, p.Value, 10)
	return append(dst, p.Series.tail...)
}

// quotePython quotes s as Python's json.dumps does by default: ASCII only, lower-case hex, a pair of
// surrogates beyond the basic plane. Octets that are not UTF-8 become U+FFFD.
func quotePython(s string) []byte {
	out := append(make([]byte, 0, len(s)+2), '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r >= ' ' && r <= '~':
			out = append(out, byte(r))
		case r < ' ' && shortEscapes[r] != 0:
			out = append(out, '\\', shortEscapes[r])
		default:
			out = appendUnicodeEscape(out, r)
		}
	}
	return append(out, '"')
}

var shortEscapes = [' ']byte{'\n': 'n', '\r': 'r', '\t': 't', '\b': 'b', '\f': 'f'}

func appendUnicodeEscape(out []byte, r rune) []byte {
	if r > 0xFFFF && r <= utf8.MaxRune {
		r -= 0x10000
		out = appendUnicodeEscape(out, 0xD800+r>>10)
		r = 0xDC00 + r&0x3FF
	}
	const hex = "0123456789abcdef"
	return append(out, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
