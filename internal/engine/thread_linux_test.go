package engine

import (
	"slices"
	"strings"
	"testing"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// There is no CPU 1000; this needs no privilege to be refused.
func TestEachThreadTellsWhatTheSystemRefusesAndGoesOn(t *testing.T) {
	c := testConfig(Linux)
	c.CPUs = []int{1000}
	h := newHost(t, c, nil)
	h.Start()
	h.Add(session(1, measurement.UDP, h.udp(0)))
	h.measured(1, measurement.UDPRTT)
	notes := h.noted()
	slices.Sort(notes)
	if len(notes) != 2 || !strings.HasPrefix(notes[0], "reflector thread: pin to cpu 1000") ||
		!strings.HasPrefix(notes[1], "sender thread: pin to cpu 1000") {
		t.Errorf("told %q, want one line of each thread about CPU 1000", notes)
	}
}
