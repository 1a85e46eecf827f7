package bench

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// truthPort is where the reflector answers. It has its network for itself.
const truthPort = 8001

// How far is what is published from what a packet capture on both ends of the path says of the same packets?
// Both ends have one clock, so all times compare.
//
// What is expected of the errors: the receiver's one-way delay contains what lies between T1 in the probe, which
// is read before the send call, and the wire (t1-user-to-wire). An RTT over STAMP is too long by the same part of
// the way back (t3-user-to-wire). T2 and T4 are the kernel's, and so the capture's, to the nanosecond.
//
// The capture is on the path that it watches: a packet that leaves is copied to it, and only then the driver takes
// the kernel's T1. So that is later than the captured t1 (t1-wire-to-kernel: 0.5 to 1.2 µs on a virtual machine with
// Linux 6.18, 2026-11-28), and every RTT is too short by as much. Without a capture it is not.
func BenchmarkTruth(b *testing.B) {
	for _, protocol := range []string{"stamp", "text"} {
		b.Run("protocol="+protocol, func(b *testing.B) {
			lab := netnstest.New(b)
			link := lab.Link(lab.Host("prober"), lab.Host("reflector"))
			judge(b, protocol, captured(b, protocol, link))
		})
	}
}

// captured probes over a link and returns what became of each probe.
func captured(b *testing.B, protocol string, link *netnstest.Link) []journey {
	reflector := start(b, spec{on: link.B.Host, name: "reflector", config: fmt.Sprintf("tcp = false\nudp_port = %d\n", truthPort)})
	prober := start(b, spec{on: link.A.Host, name: "prober", config: fmt.Sprintf(
		"tcp = false\ninterval = 1\nowd_at_sender = \"always\"\n"+
			"[[targets]]\nhost = %q\nudp_port = %d\nlabel = \"reflector\"\nprotocol = %q\n",
		link.B.IPv4.String(), truthPort, protocol)})
	time.Sleep(warmUp)
	far, near := captureOn(b, link.B), captureOn(b, link.A)
	time.Sleep(*span)
	until := time.Now().UnixNano()
	prober.stop()
	reflector.stop()
	journeys := follow(dialects[protocol], near.stop(), far.stop())
	for i := range journeys {
		if journeys[i].wire.t1 > until {
			journeys = journeys[:i] // the end of the daemons came between
			break
		}
	}
	addPublished(journeys, prober.points(), reflector.points())
	return journeys
}

// judge reports the errors, and what they are made of.
func judge(b *testing.B, protocol string, journeys []journey) {
	if len(journeys) == 0 {
		b.Fatal("no probe was captured")
	}
	var whole []journey
	for _, j := range journeys {
		if j.whole() {
			whole = append(whole, j)
		}
	}
	b.ReportMetric(float64(len(whole))/float64(len(journeys)), "matched/probe")
	if len(whole) == 0 {
		b.Fatalf("of %d captured probes none was found everywhere", len(journeys))
	}
	reportErrors(b, "rtt", whole, journey.rttError)
	reportErrors(b, "owd", whole, journey.owdError)
	reportPart(b, "t1-user-to-wire", whole, func(j journey) int64 { return j.wire.t1 - j.carried.t1 })
	reportPart(b, "t1-wire-to-kernel", whole, func(j journey) int64 { return j.transmitted() - j.wire.t1 })
	reportMost(b, "t2", whole, func(j journey) int64 { return j.received - j.wire.t2 })
	if protocol == "stamp" {
		reportPart(b, "t3-user-to-wire", whole, func(j journey) int64 { return j.wire.t3 - j.carried.t3 })
		reportMost(b, "t4", whole, func(j journey) int64 { return j.carried.t3 + j.backward - j.wire.t4 })
	}
}

// reportPart reports how long a part of the way takes, of which an error is made.
func reportPart(b *testing.B, what string, of []journey, takes func(j journey) int64) {
	durations := each(of, takes)
	slices.Sort(durations)
	b.ReportMetric(float64(quantile(durations, 0.5)), what+"-p50-ns")
	b.ReportMetric(float64(quantile(durations, 0.99)), what+"-p99-ns")
}

// reportMost reports the largest error of what should have none.
func reportMost(b *testing.B, what string, of []journey, by func(j journey) int64) {
	b.ReportMetric(float64(slices.Max(sizes(each(of, by)))), what+"-error-max-ns")
}

// reportErrors reports how far off a value is either way, and in the median by which way (the bias).
func reportErrors(b *testing.B, what string, of []journey, by func(j journey) int64) {
	errors := each(of, by)
	slices.Sort(errors)
	b.ReportMetric(float64(quantile(errors, 0.5)), what+"-bias-ns")
	reportQuantiles(b, what+"-error", sizes(errors))
}

// sizes makes all of the durations positive.
func sizes(durations []time.Duration) []time.Duration {
	for i, d := range durations {
		durations[i] = d.Abs()
	}
	return durations
}

func each(of []journey, value func(j journey) int64) []time.Duration {
	values := make([]time.Duration, len(of))
	for i, j := range of {
		values[i] = time.Duration(value(j))
	}
	return values
}
