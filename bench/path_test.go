package bench

import (
	"net/netip"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/engine"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

const loopbackPort = 17999

// startEngine runs an engine that probes itself over UDP on loopback at the given interval.
func startEngine(b *testing.B, mode engine.Mode, interval time.Duration) *engine.Engine {
	b.Helper()
	e, err := engine.New(engine.Config{
		Mode: mode, Name: "bench", Address: netip.MustParseAddr("127.0.0.1"), UDP: true, UDPPort: loopbackPort,
		MaxSize: 1470, MaxSessions: 16, Timeout: time.Second, Transmit: true, RingSize: 1 << 16,
		Note: func(text string) { b.Log(text) },
	})
	if err != nil {
		b.Fatal(err)
	}
	e.Add(measurement.Session{
		ID: 1, Transport: measurement.UDP, Source: "bench", Target: "bench", Interval: interval,
		Timeout: time.Second, MaxLost: 10, RTT: true, Remote: netip.MustParseAddrPort("127.0.0.1:17999"),
	})
	if err := e.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(e.Stop)
	return e
}

// drain pops samples until n RTTs were measured and returns them.
func drain(rings []*ring.SPSC, n int) []time.Duration {
	rtts := make([]time.Duration, 0, n)
	buf := make([]measurement.Sample, 256)
	for len(rtts) < n {
		for _, r := range rings {
			for _, s := range buf[:r.Pop(buf)] {
				if s.Kind == measurement.KindMetric && s.Metric == measurement.UDPRTT {
					rtts = append(rtts, time.Duration(s.Value))
				}
			}
		}
		time.Sleep(time.Millisecond)
	}
	return rtts
}

// How late are slots sent at 1 ms, over how late time.Sleep wakes in the same run? Both in ns.
func BenchmarkPacing(b *testing.B) {
	for _, mode := range []engine.Mode{engine.Linux, engine.Portable} {
		b.Run(string(mode), func(b *testing.B) {
			e := startEngine(b, mode, time.Millisecond)
			drain(e.Rings(), b.N)
			late := selfstats.Sum(e.Counters())
			sleep := sleepLateness(min(b.N, 1000))
			b.ReportMetric(float64(late.Lateness.Quantile(0.5)), "late-p50-ns")
			b.ReportMetric(float64(late.Lateness.Quantile(0.99)), "late-p99-ns")
			b.ReportMetric(float64(late.Lateness.Quantile(0.5))/float64(sleep.Quantile(0.5)), "late-p50/sleep-p50")
			b.ReportMetric(float64(late.Skipped())/float64(late.Skipped()+late.Counts[selfstats.SlotsSent]), "skipped/slot")
		})
	}
}

// sleepLateness measures by how much time.Sleep(1 ms) oversleeps, n times.
func sleepLateness(n int) selfstats.Snapshot {
	var block selfstats.Block
	for range n {
		before := time.Now()
		time.Sleep(time.Millisecond)
		block.Late(time.Since(before) - time.Millisecond)
	}
	return selfstats.Sum([]*selfstats.Block{&block}).Lateness
}

// What does the program add to a round trip on idle loopback?
func BenchmarkRTT(b *testing.B) {
	for _, mode := range []engine.Mode{engine.Linux, engine.Portable} {
		b.Run(string(mode), func(b *testing.B) {
			e := startEngine(b, mode, time.Millisecond)
			var block selfstats.Block
			for _, rtt := range drain(e.Rings(), b.N) {
				block.Late(rtt)
			}
			rtts := selfstats.Sum([]*selfstats.Block{&block}).Lateness
			b.ReportMetric(float64(rtts.Quantile(0.5)), "rtt-p50-ns")
			b.ReportMetric(float64(rtts.Quantile(0.99)), "rtt-p99-ns")
		})
	}
}
