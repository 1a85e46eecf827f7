package isolation

import (
	"math/bits"
	"runtime/metrics"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/engine"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// vitals counts what the process has allocated since newVitals, and how often it had to collect
// garbage. Its collector is off: nothing on the way of a packet allocates, so there is nothing to
// collect, and that this is so can be seen here.
type vitals struct {
	block   *selfstats.Block
	samples []metrics.Sample
	counted [len(vitalsCounters)]uint64
}

var vitalsCounters = [...]selfstats.Counter{selfstats.EngineAllocated, selfstats.EngineCollections}

func newVitals(block *selfstats.Block) vitals {
	v := vitals{block: block, samples: []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/cycles/total:gc-cycles"},
	}}
	metrics.Read(v.samples) // allocates the first time
	metrics.Read(v.samples)
	for i := range v.samples {
		v.counted[i] = v.samples[i].Value.Uint64()
	}
	return v
}

// count brings the counters up to date. It does not allocate.
func (v *vitals) count() {
	metrics.Read(v.samples)
	for i, c := range vitalsCounters {
		now := v.samples[i].Value.Uint64()
		v.block.Add(c, now-v.counted[i])
		v.counted[i] = now
	}
}

// memoryLimit is the limit at which the child collects garbage all the same: the safety net. It is well
// above what the sessions need, so that it is reached only by what sessions that came and went have
// left behind, or by a bug.
type memoryLimit struct {
	base     int64
	sessions map[measurement.SessionID]int64
}

const (
	runtimeMemory = 64 << 20 // the Go runtime, buffers, and commands
	peerMemory    = 4 << 10  // one session of the reflector, with its share of tables
	sessionMemory = 64 << 10 // one session of the sender, without its table of probes
	probeMemory   = 64       // one probe in that table
)

func newMemoryLimit(c engine.Config) memoryLimit {
	return memoryLimit{
		base:     runtimeMemory + int64(c.MaxSessions)*int64(peerMemory+c.MaxSize),
		sessions: map[measurement.SessionID]int64{},
	}
}

// add counts a session and returns the new limit.
func (l *memoryLimit) add(s measurement.Session) int64 {
	const slack = time.Second
	probes := uint64(2*(s.Timeout+slack)/max(1, s.Interval)) + 4
	l.sessions[s.ID] = sessionMemory + probeMemory<<bits.Len64(probes)
	return l.octets()
}

// remove forgets a session and returns the new limit.
func (l *memoryLimit) remove(id measurement.SessionID) int64 {
	delete(l.sessions, id)
	return l.octets()
}

// octets is the limit. Half of it is for garbage.
func (l *memoryLimit) octets() int64 {
	sum := l.base
	for _, octets := range l.sessions {
		sum += 2 * octets
	}
	return sum
}
