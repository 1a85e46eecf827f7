package main_test

import (
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// A session that measures one way only gets about one reply a second, and each probe is measured by the
// receiver. With a timeout of an hour the prober would not end if it waited for what it did not ask for.
func TestOneWaySessionAsksForOneReplyASecond(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testOneWaySessionAsksForOneReplyASecond)
}

func testOneWaySessionAsksForOneReplyASecond(t *testing.T, m mode) {
	for _, f := range families() {
		t.Run(f.name, func(t *testing.T) {
			link := twoHosts(t)
			wire := captureAt(t, link.B.Host)
			b := start(t, spec{mode: m, on: link.B.Host, name: "b", config: receive})
			a := start(t, spec{mode: m, on: link.A.Host, name: "a", config: probeUDP(f.addr(link.B), 10, 3600) + "rtt = false\n"})
			b.wait("probes for 2.5 s", func(o *output) bool { return lasts(o, "udp.wan.owd") > 2500*time.Millisecond })
			outA, countersA := a.stop()
			sent := countersA.of("slots_sent")
			b.waitPoints(sent, "udp.wan.owd")
			outB, countersB := b.stop()

			checkProber(outA, countersA)
			checkReceiver(outB, countersB, sent)
			all := wire.datagrams()
			asking, oneWay := checkAsking(t, toPort(8001, all))
			if replies := len(fromPort(8001, all)); replies != asking {
				t.Errorf("%d replies on the wire, want %d", replies, asking)
			}
			countersA.want("answered", asking, "one_way", oneWay, "lost", 0, "unmatched", 0, "stamp_upgrades", 1)
			countersB.want("probes_received", sent, "probes_reflected", asking, "probes_missing", 0)
			wantSeries(t, outA, nil)
			wantSeries(t, outB, map[string]int{seriesOf("udp.wan.owd", "source:a", "target:b"): sent})
		})
	}
}

// lasts is the time between the first and the last point of a metric.
func lasts(o *output, metric string) time.Duration {
	var first, last int64
	for _, p := range o.points {
		if p.Metric != metric {
			continue
		}
		if first == 0 {
			first = p.Time
		}
		last = p.Time
	}
	return time.Duration(last - first)
}

// checkAsking counts the probes that ask for a reply and those that do not. Of STAMP there is one that
// does for each second.
func checkAsking(t *testing.T, probes []datagram) (asking, oneWay int) {
	t.Helper()
	var first, last time.Duration
	stamps := 0
	for _, d := range probes {
		if d.isText() {
			asking++
			continue
		}
		p, err := new(stamp.Codec).DecodeSender(d.data)
		if err != nil {
			t.Fatalf("probe %x: %v", d.data, err)
		}
		at, err := p.ErrorEstimate.Format().UnixNanos(p.T1, time.Now().UnixNano(), 0)
		if err != nil {
			t.Fatalf("T1 of %x: %v", d.data, err)
		}
		if last = time.Duration(at); first == 0 {
			first = last
		}
		if asksForNoReply(p.TLVs) {
			oneWay++
		} else {
			stamps++
		}
	}
	if want := int((last-first)/time.Second) + 1; stamps < want-1 || stamps > want+1 {
		t.Errorf("%d probes in STAMP asked for a reply in %v, want %d or one more or less", stamps, last-first, want)
	}
	return asking + stamps, oneWay
}

// asksForNoReply looks for the Return Path TLV (RFC 9503 section 4.1.1).
func asksForNoReply(tlvs []byte) bool {
	for tlv, err := range stamp.TLVs(tlvs) {
		if err == nil && tlv.Type == stamp.TypeReturnPath {
			code, err := stamp.DecodeReturnPath(tlv.Value)
			return err == nil && code == stamp.NoReply
		}
	}
	return false
}
