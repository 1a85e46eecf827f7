package sender

import (
	"encoding/binary"

	"github.com/latency-monitor/latency-monitor/internal/match"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
)

// flow is a session's probes in one protocol. A session in auto has two; its probes are counted through
// both, as what is published has it.
type flow struct {
	table *match.Table
	// places in the session of the probes that the table remembers, by seq modulo the length; nil in a
	// session of one flow, whose seqs they are.
	places []uint64
}

// count is the place in the session of the flow's probe seq, which the table remembers.
func (f *flow) count(seq uint64) uint64 {
	if f.places == nil {
		return seq
	}
	return f.places[seq%uint64(len(f.places))]
}

// takePlace gives the session's next place to probe seq of a flow, which is sent.
func (x *session) takePlace(f *flow, seq uint64) {
	if f.places != nil {
		f.places[seq%uint64(len(f.places))] = x.places
	}
	x.places++
}

// outstanding is how many of a session's probes wait for a reply.
func (x *session) outstanding() (n int) {
	if x.text.table != nil {
		n += x.text.table.Outstanding()
	}
	if x.stamp != nil {
		n += x.stamp.table.Outstanding()
	}
	return n
}

// quoted finds what a probe was of which an ICMP error quotes the beginning, and its number, if that is
// known.
func (x *session) quoted(data []byte) (f *flow, number uint64, known bool) {
	if w := x.stamp; w != nil && len(data) >= 4 {
		number = uint64(binary.BigEndian.Uint32(data))
		if _, sent := w.table.Find(number); sent || x.text.table == nil {
			return &w.flow, number, sent
		}
	}
	seq, ok := textproto.Number(data)
	switch {
	case x.text.table != nil && ok:
		return &x.text, uint64(seq), true
	default:
		return x.speaking, 0, false
	}
}
