package exporter

import (
	"testing"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

func TestStringsAreQuotedAsPythonDoes(t *testing.T) {
	tests := map[string]string{
		"":                       `""`,
		"plain ~":                `"plain ~"`,
		`"\/`:                    `"\"\\/"`,
		"\n\r\t\b\f":             `"\n\r\t\b\f"`,
		"\x00\x1f\x7f":           `"\u0000\u001f\u007f"`,
		"é\u2028\uffff":          `"\u00e9\u2028\uffff"`,
		"\U00010000\U0010ffff🐎":  `"\ud800\udc00\udbff\udfff\ud83d\udc0e"`,
		"\xff\xed\xa0\x80":       `"\ufffd\ufffd\ufffd\ufffd"`,
		"<script>&'":             `"<script>&'"`,
		"mixed é and \"quotes\"": `"mixed \u00e9 and \"quotes\""`,
	}
	for in, want := range tests {
		if got := string(quotePython(in)); got != want {
			t.Errorf("quotePython(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestLineOfAPointDoesNotAllocate(t *testing.T) {
	series := newNames("a", "b", []string{"isp:local"}).of(measurement.UDPRTT)
	p := Point{Series: series, Time: 1768219134587069267, Value: 282072}
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(1000, func() { buf = p.AppendJSON(buf[:0]) }); n != 0 {
		t.Errorf("AppendJSON allocates %v times, want 0", n)
	}
	want := `{"metric": "udp.wan.rtt", "points": [[1768219134587069267, 282072]], "tags": ["source:a", "target:b", "isp:local"]}`
	if string(buf) != want {
		t.Errorf("AppendJSON = %s, want %s", buf, want)
	}
}
