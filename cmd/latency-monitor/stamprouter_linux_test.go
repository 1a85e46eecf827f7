package main_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// router answers STAMP probes as a simple reflector of a router does: it keeps no state and knows no TLV.
type router struct {
	length int  // of replies; 0: they are as long as the probes, and end with the same octets
	noSSID bool // TWAMP Light has none, but zeros
	lose   int  // one in so many probes is lost; 0: none
	probes int
}

const routersTTL = 250 // with which probes arrive there

// answer is for fakePeer. It gives no answer to what is no STAMP, as text.
func (r *router) answer(probe string) string {
	var codec stamp.Codec
	base := []byte(probe)[:min(len(probe), stamp.BaseSize)]
	p, err := codec.DecodeSender(base)
	if r.probes++; err != nil || r.lose != 0 && r.probes%r.lose == 0 {
		return ""
	}
	estimate := stamp.NewErrorEstimate(time.Millisecond, stamp.NTP)
	reply := make([]byte, stamp.BaseSize)
	now := time.Now().UnixNano()
	reflection := stamp.Reflection{Seq: p.Seq, T2: stamp.NTP.Timestamp(now, 0), ErrorEstimate: estimate, TTL: routersTTL}
	if _, err := codec.Reflect(reply, &p, &reflection); err != nil {
		return ""
	}
	if err := codec.StampReflector(reply, stamp.NTP.Timestamp(time.Now().UnixNano(), 0)); err != nil {
		return ""
	}
	if r.noSSID {
		reply[14], reply[15] = 0, 0
	}
	if r.length != 0 {
		return string(append(reply, make([]byte, r.length)...)[:r.length])
	}
	return string(reply) + probe[stamp.BaseSize:]
}

// Reflectors as routers have them are measured with protocol "stamp": both ways and the round trip, and
// loss, but not what takes TLVs to know.
func TestReflectorsThatKnowNoTLVAreMeasured(t *testing.T) {
	t.Parallel()
	bothWays(t, testReflectorsThatKnowNoTLVAreMeasured)
}

func testReflectorsThatKnowNoTLVAreMeasured(t *testing.T, m mode) {
	for _, test := range []struct {
		name    string
		router  router
		tellTTL int // log lines
	}{
		{"TLVs come back as they were sent", router{}, 1},
		{"TLVs do not come back", router{length: 44}, 1},
		{"one in nine probes is lost", router{lose: 9}, 1},
		{"TWAMP Light", router{length: 41, noSSID: true}, 1},
		{"TWAMP Light with padding", router{length: 100, noSSID: true}, 1},
		{"replies of 38 octets", router{length: 38, noSSID: true}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			reflector := test.router
			peer := startPeer(t, "udp", 0, reflector.answer)
			config := "protocol = \"stamp\"\ntimeout = 2\n"
			p := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: peer.target(t, "udp") + config})
			p.waitPoints(120, "udp.wan.rtt") // for more than a second
			out, c := p.stop()
			probes := peer.received()

			checkProber(out, c)
			sent, answered := c.of("slots_sent"), c.of("answered")
			lost := 0
			if reflector.lose != 0 {
				lost = sent / reflector.lose
			}
			c.want("lost", lost, "lost_forward", 0, "lost_backward", 0, "late", 0, "malformed", 0, "unmatched", 0, "remarked", 0,
				"replies_implausible", 0, "replies_forged", 0, "stamp_upgrades", 0)
			series := map[string]int{}
			for _, metric := range []string{"udp.wan.rtt", "udp.wan.owd.forward", "udp.wan.owd.backward"} {
				series[seriesOf(metric, "source:a", "target:peer")] = answered
			}
			if lost > 0 {
				series[seriesOf("udp.wan.loss", "source:a", "target:peer")] = lost
			}
			wantSeries(t, out, series)
			wantLogged(t, out, map[string]int{"STAMP": 0, "arrive with DSCP": 0, "arrive with TTL 250": test.tellTTL, "answers": 1})
			checkWithoutTLVs(t, probes)
		})
	}
}

// checkWithoutTLVs checks that what the reflector does not know is left out of probes, once its first
// replies have said so, but for our Session Identity once a second.
func checkWithoutTLVs(t *testing.T, probes []string) {
	t.Helper()
	withTLVs := 0
	for i, probe := range probes {
		if n := binary.BigEndian.Uint32([]byte(probe)); n != uint32(i) {
			t.Fatalf("probe %d has the number %d", i, n)
		}
		if i < 50 || len(probe) == stamp.BaseSize {
			continue
		}
		if withTLVs++; !strings.HasSuffix(probe, "\x80\xf4\x00\x03\x00\x01a") {
			t.Errorf("probe %d has %x behind the base packet, want a Session Identity or nothing", i, probe[stamp.BaseSize:])
		}
	}
	if withTLVs == 0 || withTLVs > len(probes)/10 {
		t.Errorf("%d of %d probes have TLVs, want a few", withTLVs, len(probes))
	}
}
