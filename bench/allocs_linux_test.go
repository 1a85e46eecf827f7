package bench

import (
	"fmt"
	"net/netip"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/engine"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// How much does a probe allocate, from its slot over the sockets, the reflector and its match to the rings of both
// ends? An engine in this process answers itself: its allocations are counted one by one. A daemon and its reflector
// tell what theirs allocate, in octets.
func BenchmarkAllocations(b *testing.B) {
	for _, t := range []struct {
		transport measurement.Transport
		published measurement.Metric // one for each probe
	}{
		{measurement.UDP, measurement.UDPRTT},
		{measurement.TCP, measurement.TCPRTT},
		{measurement.TCPConnect, measurement.TCPLatency},
	} {
		b.Run(fmt.Sprintf("transport=%v", t.transport), func(b *testing.B) { allocations(b, t.transport, t.published) })
	}
	b.Run("daemon", daemonsAllocations)
}

// Allocations of 10,000 probes are counted in rounds, of which the median counts: when more is under way at once than
// ever before, as after a stall of the machine, connections and buffers are added to those that are kept for use
// again, and these are not of every probe.
const (
	allocationRounds = 10
	perRound         = 1000
)

func allocations(b *testing.B, transport measurement.Transport, published measurement.Metric) {
	local := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(freePort(b)))
	e, err := engine.New(engine.Config{
		Mode: engine.Linux, Name: "bench", Address: local.Addr(), UDP: true, TCP: true, UDPPort: local.Port(), TCPPort: local.Port(),
		MaxSize: 1470, MaxSessions: 16, Timeout: time.Second, Transmit: true, RingSize: 1 << 16, Note: func(text string) { b.Log(text) },
	})
	if err != nil {
		b.Skip("needs a Linux engine: ", err)
	}
	defer e.Stop()
	if err := e.Start(); err != nil {
		b.Fatal(err)
	}
	e.Add(measurement.Session{
		ID: 1, Transport: transport, Source: "bench", Target: "bench", Interval: 200 * time.Microsecond,
		Timeout: time.Second, MaxLost: 10, RTT: true, Remote: local,
	})
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC()
	await(b, e, published, perRound) // a session allocates at its start, and the runtime after a collection
	var each []float64
	var all uint64
	for range allocationRounds {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		probes := await(b, e, published, perRound)
		runtime.ReadMemStats(&after)
		all += after.Mallocs - before.Mallocs
		each = append(each, float64(after.Mallocs-before.Mallocs)/float64(probes))
	}
	b.ReportMetric(median(each), "allocs/probe")
	b.ReportMetric(float64(all), "allocs-in-all")
}

// await drains the rings until at least so many samples of a metric came, and returns how many. It allocates nothing.
func await(b *testing.B, e *engine.Engine, metric measurement.Metric, enough int) (came int) {
	b.Helper()
	var batch [256]measurement.Sample
	rings := e.Rings()
	for deadline := time.Now().Add(patience); came < enough; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("%d samples of %v, want %d; counters %v", came, metric, enough, e.Totals().Counts)
		}
		for _, r := range rings {
			for n := r.Pop(batch[:]); n > 0; n = r.Pop(batch[:]) {
				for i := range batch[:n] {
					if batch[i].Kind == measurement.KindMetric && batch[i].Metric == metric {
						came++
					}
				}
			}
		}
	}
	return came
}

func daemonsAllocations(b *testing.B) {
	udp, tcp := freePort(b), freePort(b)
	listens := []string{listenAddress(b), listenAddress(b)}
	reflector := start(b, spec{name: "reflector", config: fmt.Sprintf("udp_port = %d\ntcp_port = %d\n", udp, tcp) + scraped(listens[1])})
	prober := start(b, spec{name: "prober", config: fmt.Sprintf("udp_port = %d\ntcp_port = %d\ninterval = 1\n", freePort(b), freePort(b)) +
		scraped(listens[0]) +
		fmt.Sprintf("[[targets]]\nhost = \"127.0.0.1\"\nudp_port = %d\ntcp_port = %d\nlabel = \"reflector\"\n", udp, tcp)})
	total := func() counters {
		c := scrape(b, listens[0])
		c["engine_allocated"] += scrape(b, listens[1])["engine_allocated"]
		return c
	}
	time.Sleep(warmUp)
	before := total()
	time.Sleep(*span)
	c := total().sub(before)
	b.ReportMetric(c["engine_allocated"]/c["slots_sent"], "engine-allocated-octets/probe")
	prober.stop()
	reflector.stop()
}
