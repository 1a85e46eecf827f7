package bench

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/engine"
	"github.com/latency-monitor/latency-monitor/internal/isolation"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// loopbackPort is where the engines answer themselves.
const loopbackPort = 17999

// How long after its slot does a probe leave at 1 ms while the exporter is at full load, with the engine
// in the exporter's process and in one of its own? The span each; with SCHED_FIFO too, where we may.
func BenchmarkIsolation(b *testing.B) {
	if err := isolation.Available(); err != nil {
		b.Skip("needs an engine process: ", err)
	}
	conditions := []condition{{"idle", 0}, {"full-load", 0}, {"idle", 10}, {"full-load", 10}}
	for _, c := range conditions {
		if c.priority > 0 && os.Geteuid() != 0 {
			continue
		}
		b.Run(fmt.Sprintf("%s/priority=%d", c.load, c.priority), func(b *testing.B) {
			var together, isolated selfstats.Block
			for range turns {
				probe(b, c, inProcess, &together)
				probe(b, c, inOwnProcess, &isolated)
			}
			t, i := selfstats.Sum([]*selfstats.Block{&together}), selfstats.Sum([]*selfstats.Block{&isolated})
			report(b, "in-process", t)
			report(b, "isolated", i)
			for name, q := range quantiles {
				ratio := float64(t.Lateness.Quantile(q)) / float64(i.Lateness.Quantile(q))
				b.ReportMetric(ratio, name+"-in-process/isolated")
			}
		})
	}
}

// condition is under which an engine probes.
type condition struct {
	load     string
	priority int // of SCHED_FIFO
}

var quantiles = map[string]float64{"p50": 0.5, "p99": 0.99, "p99.9": 0.999}

func report(b *testing.B, way string, t selfstats.Totals) {
	for name, q := range quantiles {
		b.ReportMetric(float64(t.Lateness.Quantile(q)), way+"-"+name+"-ns")
	}
	b.ReportMetric(float64(t.Skipped())/float64(t.Skipped()+t.Counts[selfstats.SlotsSent]), way+"-skipped/slot")
}

// prober is an engine in either way.
type prober interface {
	Start() error
	Stop()
	Add(s measurement.Session)
	Totals() selfstats.Totals
}

// way makes an engine whose rings go to a recorder.
type way func(engine.Config, *recorder) (prober, error)

func inProcess(c engine.Config, r *recorder) (prober, error) {
	e, err := engine.New(c)
	if err != nil {
		return nil, err
	}
	for _, from := range e.Rings() {
		r.AddRing(from)
	}
	return e, nil
}

func inOwnProcess(c engine.Config, r *recorder) (prober, error) {
	return isolation.New(isolation.Config{Engine: c, Consumer: r})
}

// probe runs an engine that probes itself at 1 ms for one round, and records how late.
func probe(b *testing.B, under condition, make way, block *selfstats.Block) {
	const interval = time.Millisecond
	local := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), loopbackPort)
	c := engine.Config{
		Mode: engine.Linux, Name: "bench", Address: local.Addr(), UDP: true, UDPPort: local.Port(),
		MaxSize: 1470, MaxSessions: 16, Timeout: time.Second, Transmit: true, RingSize: 1 << 16,
		Priority: under.priority, Note: func(text string) { b.Log(text) },
	}
	r := new(recorder)
	e, err := make(c, r)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Stop()
	if err := e.Start(); err != nil {
		b.Fatal(err)
	}
	if under.load == "full-load" {
		defer fullLoad(b)()
	}
	e.Add(measurement.Session{
		ID: 1, Transport: measurement.UDP, Source: "bench", Target: "bench", Interval: interval,
		Timeout: time.Second, MaxLost: 10, RTT: true, Remote: local,
	})
	if !r.record(int(*span/interval)/turns, interval) {
		b.Fatalf("too few probes came back; counters %v", e.Totals().Counts)
	}
	r.waits(block, interval)
	t := e.Totals()
	for _, c := range []selfstats.Counter{selfstats.SlotsSent, selfstats.SkippedLate} {
		block.Add(c, t.Counts[c])
	}
}
