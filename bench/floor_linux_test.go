package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// floorInterval is at what interval all peers probe.
const floorInterval = time.Millisecond

// What does the tool itself add to the delays of an idle path? All peers probe once a millisecond, one after
// another, with the options that they come with; only the interval is set.
//
// An RTT is with or without the time inside the reflector: ours, over STAMP, and irtt's are without it, and so can
// be compared. ours-text, sockperf's and the reference's are with it. fping is answered by the kernel.
func BenchmarkFloor(b *testing.B) {
	b.Run("net=loopback", func(b *testing.B) {
		measureFloor(b, route{from: netnstest.ThisHost{}, to: netnstest.ThisHost{}, address: "127.0.0.1"})
	})
	b.Run("net=veth", func(b *testing.B) {
		lab := netnstest.New(b)
		link := lab.Link(lab.Host("a"), lab.Host("b"))
		measureFloor(b, route{from: link.A.Host, to: link.B.Host, address: link.B.IPv4.String()})
	})
}

func measureFloor(b *testing.B, on route) {
	peers := presentPeers(b)
	results := make(map[string]*probed)
	for _, p := range peers {
		measured := p.measure(b, on)
		results[p.name] = &measured
	}
	for _, p := range peers {
		results[p.name].report(b, p.name)
	}
	for _, p := range peers {
		for _, ours := range p.against {
			reportRatios(b, "rtt", p.name+"/"+ours, results[p.name].rtt, results[ours].rtt)
			reportRatios(b, "owd", p.name+"/"+ours, results[p.name].owd, results[ours].owd)
		}
	}
}

// reportRatios reports by how much larger one's quantiles are than the other's. Both are sorted.
func reportRatios(b *testing.B, what, ratio string, one, other []time.Duration) {
	for name, q := range map[string]float64{"p50": 0.5, "p99": 0.99} {
		if divisor := quantile(other, q); len(one) > 0 && divisor > 0 {
			b.ReportMetric(float64(quantile(one, q))/float64(divisor), what+"-"+name+"-"+ratio)
		}
	}
}

// probed is what a peer said about its probes.
type probed struct {
	rtt, owd []time.Duration // owd is empty for a peer that does not measure it
	sent     int
	lost     int
	slots    int // in which a probe should have left
}

// slotsWithin is in how many slots a probe should have left when so much is between the first and the last one.
func slotsWithin(d time.Duration) int { return int(d.Round(floorInterval)/floorInterval) + 1 }

// report reports the distributions, which it sorts, and the shares of slots and probes that are missing. A peer
// that is late and then sends several probes at once misses no slot by this count.
func (p *probed) report(b *testing.B, name string) {
	b.Helper()
	if p.sent == 0 || len(p.rtt) == 0 {
		b.Logf("%s measured nothing in %v", name, *span)
		return
	}
	p.rtt = reportQuantiles(b, name+"-rtt", p.rtt)
	if len(p.owd) > 0 {
		p.owd = reportQuantiles(b, name+"-owd", p.owd)
	}
	b.ReportMetric(max(0, 1-float64(p.sent)/float64(p.slots)), name+"-missed/slot")
	b.ReportMetric(float64(p.lost)/float64(p.sent), name+"-lost/probe")
}

// ours measures with two daemons. With protocol auto that is STAMP, after the first probes.
func ours(protocol string) func(b *testing.B, on route) probed {
	return func(b *testing.B, on route) probed {
		b.Helper()
		port, other := freePort(b), freePort(b)
		reflector := start(b, spec{on: on.to, name: "reflector", config: fmt.Sprintf("tcp = false\nudp_port = %d\n", port)})
		prober := start(b, spec{on: on.from, name: "prober", config: fmt.Sprintf(
			"tcp = false\nudp_port = %d\ninterval = 1\nprotocol = %q\n[[targets]]\nhost = %q\nudp_port = %d\nlabel = \"reflector\"\n",
			other, protocol, on.address, port)})
		if protocol == "auto" {
			prober.waitLogged(" speaks STAMP")
		} else {
			prober.waitLogged(" answers")
		}
		time.Sleep(warmUp)
		began := time.Now()
		time.Sleep(*span)
		ended := time.Now()
		prober.stop()
		reflector.stop()
		return probedBetween(began, ended, prober.points(), reflector.points())
	}
}

// probedBetween is what the points of a prober and of its reflector say about the probes of some time. The
// reference publishes an RTT of 0 for a lost probe, and a one-way delay of 0 behind a gap: those are no delays.
func probedBetween(began, ended time.Time, prober, reflector []exportertest.Got) probed {
	var p probed
	first, last := ended.UnixNano(), began.UnixNano()
	for _, point := range prober {
		if point.Time < began.UnixNano() || point.Time > ended.UnixNano() {
			continue
		}
		switch {
		case point.Metric == "udp.wan.loss", point.Metric == "udp.wan.rtt" && point.Value == 0:
			p.lost++
		case point.Metric == "udp.wan.rtt":
			p.rtt = append(p.rtt, time.Duration(point.Value))
		default:
			continue
		}
		p.sent++
		first, last = min(first, point.Time), max(last, point.Time)
	}
	p.slots = slotsWithin(time.Duration(max(0, last-first)))
	for _, point := range reflector {
		within := point.Time >= began.UnixNano() && point.Time <= ended.UnixNano()
		if within && point.Metric == "udp.wan.owd" && point.Value != 0 {
			p.owd = append(p.owd, time.Duration(point.Value))
		}
	}
	return p
}
