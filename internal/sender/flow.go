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

	from   uint64 // first seq of the table since this protocol was taken up last
	shift  uint64 // what is added to it and those after it to get the session's count, modulo 2^64
	before uint64 // the same for those before, which may be under way still
}

// count is the place in the session of the flow's probe seq.
func (f *flow) count(seq uint64) uint64 {
	if seq < f.from {
		return seq + f.before
	}
	return seq + f.shift
}

// next is the place in the session of the next probe, if that belongs to the flow.
func (f *flow) next() uint64 {
	seq, _ := f.table.Next()
	return f.count(seq)
}

// takeUp goes on with the flow at a place in the session.
func (f *flow) takeUp(count uint64) {
	seq, _ := f.table.Next()
	f.from, f.shift, f.before = seq, count-seq, f.shift
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
