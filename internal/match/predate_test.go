package match

import (
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// Right after an outage the reply to a probe from before it can have the number of the probe just sent.
func TestReplyFromBeforeItsProbeWasSentIsAmbiguous(t *testing.T) {
	table := NewTable(Config{Numbers: 101, Timeout: time.Second, Interval: time.Millisecond})
	const sent = 1_000_000_000
	table.Add(sent, sent, 1)
	if _, v, _ := table.Match(&Reply{Number: 0, T2: sent, T4: sent - 1, Epoch: 1, Read: clock.Mono(sent + 50)}); v != Ambiguous {
		t.Errorf("verdict on a reply from 1 ns before its probe = %v, want %v", v, Ambiguous)
	}
	if table.Outstanding() != 0 {
		t.Errorf("%d probes outstanding, want 0", table.Outstanding())
	}
}
