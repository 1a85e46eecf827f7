package bench

import (
	"encoding/binary"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// times are T1 to T4 of a probe and its reply, in nanoseconds since the Unix epoch; 0 is unknown.
type times struct{ t1, t2, t3, t4 int64 }

// journey is what is known of one probe.
type journey struct {
	wire    times // what the captures say
	carried times // what the packets say: T1 of the probe, T2 of the reply, and T3 of one over STAMP
	// What was published: 0 of what was not. No delay of a link is 0.
	rtt, owd, forward, backward int64
	received                    int64 // the time of the one-way delay's point, T2
}

// whole reports whether all was found of a probe.
func (j journey) whole() bool {
	return j.wire.t4 != 0 && j.rtt != 0 && j.owd != 0 && (j.carried.t3 == 0 || j.forward != 0 && j.backward != 0)
}

// rttError is by how much the published RTT is more than the captured one. Over text, which has no T3, both are
// with the time inside the reflector.
func (j journey) rttError() int64 {
	captured := j.wire.t4 - j.wire.t1
	if j.carried.t3 != 0 {
		captured -= j.wire.t3 - j.wire.t2
	}
	return j.rtt - captured
}

// owdError is by how much the receiver's one-way delay is more than the captured one.
func (j journey) owdError() int64 { return j.owd - (j.wire.t2 - j.wire.t1) }

// transmitted is the kernel's T1, which is in no packet. Over text it takes the captured T4 for the kernel's.
func (j journey) transmitted() int64 {
	if j.carried.t3 != 0 {
		return j.carried.t2 - j.forward
	}
	return j.wire.t4 - j.rtt
}

// mark is by what a packet is known at both ends: its number, and when it was sent (over text: when what it answers
// was received).
type mark struct {
	number uint32
	time   int64
}

// dialect reads the packets of a protocol.
type dialect struct {
	probe func(data []byte) (mark, bool)
	reply func(data []byte) (m mark, carried times, ok bool)
}

var dialects = map[string]dialect{
	"stamp": {stampProbe, stampReply},
	"text": {
		probe: textMark,
		reply: func(data []byte) (mark, times, bool) {
			m, ok := textMark(data)
			return m, times{t2: m.time}, ok
		},
	},
}

// stampProbe reads a session-sender's packet (RFC 8762 section 4.2.1).
func stampProbe(data []byte) (mark, bool) {
	if len(data) < stamp.BaseSize {
		return mark{}, false
	}
	return mark{binary.BigEndian.Uint32(data), ntpTime(data[4:])}, true
}

// stampReply reads a session-reflector's packet (RFC 8762 section 4.3.1).
func stampReply(data []byte) (m mark, carried times, ok bool) {
	if len(data) < stamp.BaseSize {
		return m, carried, false
	}
	carried = times{t2: ntpTime(data[16:]), t3: ntpTime(data[4:])}
	return mark{binary.BigEndian.Uint32(data[24:]), carried.t3}, carried, true
}

func ntpTime(field []byte) int64 {
	// The error is about PTP only.
	at, _ := stamp.NTP.UnixNanos(stamp.Timestamp(binary.BigEndian.Uint64(field)), time.Now().UnixNano(), 0)
	return at
}

func textMark(data []byte) (mark, bool) {
	m, err := textproto.Decode(data)
	return mark{uint32(m.Seq), m.Timestamp}, err == nil
}

// turn is a probe at the reflector's end, and its reply.
type turn struct {
	wire, carried times
	reply         mark
}

// follow finds the probes that left at the near end in both captures, in their order.
func follow(d dialect, near, far []frame) []journey {
	turns := turnsOf(d, far)
	arrived := map[mark]int64{}
	for _, f := range near {
		if m, _, ok := d.reply(f.data); ok && !f.outgoing && f.from == truthPort {
			arrived[m] = f.at
		}
	}
	var journeys []journey
	for _, f := range near {
		m, ok := d.probe(f.data)
		if !ok || !f.outgoing || f.to != truthPort {
			continue
		}
		t := turns[m] // nothing, if it was lost
		j := journey{wire: t.wire, carried: t.carried}
		j.wire.t1, j.carried.t1 = f.at, m.time
		j.wire.t4 = arrived[t.reply]
		journeys = append(journeys, j)
	}
	return journeys
}

// turnsOf finds the answered probes at the far end. A reply answers the last probe before it with its number.
func turnsOf(d dialect, far []frame) map[mark]turn {
	asked := map[uint32]mark{}
	came := map[mark]int64{}
	turns := map[mark]turn{}
	for _, f := range far {
		switch {
		case !f.outgoing && f.to == truthPort:
			if m, ok := d.probe(f.data); ok {
				asked[m.number], came[m] = m, f.at
			}
		case f.outgoing && f.from == truthPort:
			if reply, carried, ok := d.reply(f.data); ok {
				if probe, known := asked[reply.number]; known {
					turns[probe] = turn{times{t2: came[probe], t3: f.at}, carried, reply}
				}
			}
		}
	}
	return turns
}

// addPublished adds what both daemons published of the probes. The time of the prober's points is the T1 that the
// probe carries. Of the receiver's points it is T2, which less the delay is the same T1.
func addPublished(journeys []journey, prober, receiver []exportertest.Got) {
	published := map[string]map[int64]exportertest.Got{}
	for _, p := range append(prober, receiver...) {
		t1 := p.Time
		if p.Metric == "udp.wan.owd" {
			t1 -= p.Value
		}
		if published[p.Metric] == nil {
			published[p.Metric] = map[int64]exportertest.Got{}
		}
		published[p.Metric][t1] = p
	}
	for i := range journeys {
		j := &journeys[i]
		of := func(metric string) exportertest.Got { return published[metric][j.carried.t1] }
		j.rtt, j.owd, j.received = of("udp.wan.rtt").Value, of("udp.wan.owd").Value, of("udp.wan.owd").Time
		j.forward, j.backward = of("udp.wan.owd.forward").Value, of("udp.wan.owd.backward").Value
	}
}
