package datadog

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

// item is one second to be sent.
type item struct {
	series *series
	second *second
}

// Octets of a request.
const (
	// maxRaw and maxDeflated are Datadog's limits.
	maxRaw      = 5 << 20
	maxDeflated = 500 << 10

	// enough is when a request is full. As a rule a tenth of that is left when it is deflated.
	enough = 2 << 20
)

// form is what the requests say of a series, but for its points.
type form struct {
	heads []string // of each statistic, to the bracket of its points
	tail  string
}

// statistic is one of the series that Datadog gets of one of ours.
type statistic struct {
	suffix string
	kind   string
	append func(dst []byte, s *second) []byte // its value
}

// The kinds of a series. Datadog averages gauges when it shows a longer time, and adds counts up: the
// probes that were lost in an hour are the sum, and seconds without a loss, which are not sent, are to
// count for nothing.
const (
	kindGauge = `"type":3,"unit":"millisecond"`
	kindCount = `"type":1,"interval":1`
)

var delayStatistics = []statistic{
	{"", kindGauge, func(dst []byte, s *second) []byte { return appendFloat(dst, s.mean()/1e6) }},
	{".min", kindGauge, func(dst []byte, s *second) []byte { return appendMillis(dst, s.min) }},
	{".max", kindGauge, func(dst []byte, s *second) []byte { return appendMillis(dst, s.max) }},
	{".p99", kindGauge, func(dst []byte, s *second) []byte { return appendMillis(dst, s.p99()) }},
	{".count", kindCount, appendCount},
}

var lossStatistics = []statistic{
	{"", kindCount, appendCount}, // a point is a lost probe
}

func statisticsOf(loss bool) []statistic {
	if loss {
		return lossStatistics
	}
	return delayStatistics
}

func newForm(s *exporter.Series) form {
	f := form{tail: `],"tags":` + quote(s.Tags) + `}`}
	for _, x := range statisticsOf(s.Metric.Loss()) {
		f.heads = append(f.heads, `{"metric":`+quote(s.Name+x.suffix)+`,`+x.kind+`,"points":[`)
	}
	return f
}

// quote writes a text, or a list of texts, as JSON.
func quote(value any) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(value) // texts can't fail
	return string(bytes.TrimSpace(out.Bytes()))
}

func appendCount(dst []byte, s *second) []byte { return strconv.AppendUint(dst, s.count, 10) }

func appendMillis(dst []byte, nanos int64) []byte { return appendFloat(dst, float64(nanos)/1e6) }

func appendFloat(dst []byte, value float64) []byte {
	return strconv.AppendFloat(dst, value, 'f', -1, 64)
}

// appendRequest appends a request with the first items, those of one series at least and as many as make
// enough octets, and returns how many they are. Items of a series follow one another.
func appendRequest(dst []byte, items []item, enough int) (request []byte, n int) {
	dst = append(dst, `{"series":[`...)
	for n < len(items) && (n == 0 || len(dst) < enough) {
		if n > 0 {
			dst = append(dst, ',')
		}
		end := n + 1
		for end < len(items) && items[end].series == items[n].series {
			end++
		}
		dst = appendSeries(dst, items[n:end])
		n = end
	}
	return append(dst, `]}`...), n
}

// appendSeries appends the statistics of items of one series.
func appendSeries(dst []byte, items []item) []byte {
	form := items[0].series.form
	for i, x := range statisticsOf(items[0].series.loss) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, form.heads[i]...)
		for j, it := range items {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"timestamp":`...)
			dst = strconv.AppendInt(dst, it.second.at, 10)
			dst = append(dst, `,"value":`...)
			dst = append(x.append(dst, it.second), '}')
		}
		dst = append(dst, form.tail...)
	}
	return dst
}
