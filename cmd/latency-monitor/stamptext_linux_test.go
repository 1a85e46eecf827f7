package main_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// echoAsReference answers a probe in text as the reference server does: with its own name and the time,
// and the tags and padding as they came. It does not answer what it can't read.
func echoAsReference(probe string) string {
	fields := strings.SplitN(probe, "|", 5)
	if len(fields) != 5 {
		return ""
	}
	fields[1], fields[2] = serverName, fmt.Sprint(time.Now().UnixNano())
	return strings.Join(fields, "|")
}

// A peer that knows text only gets nothing else, and is asked for STAMP in each probe, unless the
// configuration says that it does not know it.
func TestPeerThatKnowsTextOnlyKeepsGettingText(t *testing.T) {
	t.Parallel()
	bothWays(t, testPeerThatKnowsTextOnlyKeepsGettingText)
}

func testPeerThatKnowsTextOnlyKeepsGettingText(t *testing.T, m mode) {
	for _, test := range []struct{ name, config, wantPadding string }{
		{"by default", "", "<stamp?>"},
		{"auto, with padding", "protocol = \"auto\"\nsize = 100\n", "<stamp?>0"},
		{"text", "protocol = \"text\"\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			peer := startPeer(t, "udp", 0, echoAsReference)
			p := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: peer.target(t, "udp") + test.config})
			p.waitPoints(120, "udp.wan.rtt") // the numbers have begun again
			out, c := p.stop()

			checkEveryTextProbeMeasured(t, out, c)
			wantLogged(t, out, map[string]int{"STAMP": 0})
			for i, probe := range peer.received() {
				fields := strings.Split(probe, "|")
				if len(fields) != 5 || fields[0] != fmt.Sprint(i%101) || fields[1] != "a" {
					t.Fatalf("probe %d is %q, want text with number %d", i, probe, i%101)
				}
				if padding := fields[4]; !strings.HasPrefix(padding, test.wantPadding) || test.wantPadding == "" && padding != "" {
					t.Errorf("probe %d has the padding %q, want %q", i, padding, test.wantPadding)
				}
			}
		})
	}
}

func checkEveryTextProbeMeasured(t *testing.T, out *output, c counters) {
	t.Helper()
	checkProber(out, c)
	sent := c.of("slots_sent")
	c.want("answered", sent, "stamp_upgrades", 0, "stamp_fallbacks", 0, "malformed", 0, "unmatched", 0, "duplicate", 0)
	wantSeries(t, out, map[string]int{seriesOf("udp.wan.rtt", "source:a", "target:peer"): sent})
}
