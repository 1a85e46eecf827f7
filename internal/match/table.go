package match

import (
	"math/bits"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// Verdict is what a number that arrived turned out to be.
type Verdict uint8

// Verdicts.
const (
	Unmatched Verdict = iota // no probe of that number is known
	Fresh                    // the first reply, or probe, of its number and in time
	Duplicate                // a second one
	Late                     // it had been declared lost
)

// Probe is one sent probe.
type Probe struct {
	Seq         uint64
	Sent        clock.Mono // when it was sent
	T1          clock.Wall // the same, as written into the packet
	Transmitted clock.Wall // the kernel's transmit timestamp; 0 = unknown
	Epoch       uint32     // of the wall clock (clock.StepDetector) at that time

	state state
}

type state uint8

const (
	outstanding state = iota + 1
	answered
	lost
)

// Config of a Table.
type Config struct {
	Numbers  uint64        // how many numbers there are on the wire before they wrap
	Timeout  time.Duration // without a reply for this long, a probe is lost
	Interval time.Duration // between probes
	// Slack is by how much Expire may be called late.
	Slack time.Duration
	// InOrder says that replies come in the order of the probes and none is missing, as over one TCP
	// connection: a number then stands for the next seq that it fits.
	InOrder bool
	// Hold lets Ready hold the session back until it has been answered once; see Table.
	Hold bool
}

// Table remembers the probes of one session until they are settled, and a while longer to tell
// duplicates and late replies.
//
// Over UDP a number may stand for several probes that are all unanswered (101 numbers last 101 ms at
// one probe a millisecond). Then the one is meant whose round-trip time is nearest to the last known
// one. This is right while it changes by less than half a wrap (50 ms) from reply to reply. To have
// the first one right, Ready holds the session back, until it has been answered once, to so many
// unanswered probes as there are numbers.
type Table struct {
	config   Config
	probes   []Probe
	mask     uint64
	oldest   uint64 // all before are settled
	next     uint64 // seq of the next probe
	expected uint64 // all seqs answered so far are below
	known    bool   // rtt is
	rtt      time.Duration
	waiting  int // probes outstanding
}

// NewTable makes a table with room for all probes that can be outstanding at once, and for as many
// that are settled or one wrap of the numbers, whichever is less. Without these, a reply just after
// the timeout would be taken for one to the probe a wrap later.
func NewTable(c Config) *Table {
	need := uint64((c.Timeout+c.Slack)/c.Interval) + 2
	need += min(need, c.Numbers)
	size := uint64(1) << bits.Len64(need-1)
	return &Table{config: c, probes: make([]Probe, size), mask: size - 1}
}

// Next gives the seq and the number of the next probe.
func (t *Table) Next() (seq uint64, number int) { return t.next, int(t.next % t.config.Numbers) }

// Ready reports whether the table has room for the next probe and its number would be told from those
// in flight.
func (t *Table) Ready() bool {
	flying := t.next - t.oldest
	if flying > t.mask {
		return false
	}
	return t.known || t.config.InOrder || !t.config.Hold || flying < t.config.Numbers
}

// Cap is how many probes the table remembers.
func (t *Table) Cap() int { return len(t.probes) }

// Outstanding is how many probes wait for a reply.
func (t *Table) Outstanding() int { return t.waiting }

// Add records the probe that Next described as sent. If the table is full, because Expire was not
// called in time, Add returns false and records nothing.
func (t *Table) Add(sent clock.Mono, t1 clock.Wall, epoch uint32) bool {
	if t.next-t.oldest > t.mask {
		return false
	}
	t.probes[t.next&t.mask] = Probe{Seq: t.next, Sent: sent, T1: t1, Epoch: epoch, state: outstanding}
	t.next++
	t.waiting++
	return true
}

// Transmitted records the kernel's transmit timestamp of probe seq, if that is still known. A time
// before T1 belongs to another probe and is refused.
func (t *Table) Transmitted(seq uint64, at clock.Wall) bool {
	p := t.at(seq)
	if p == nil || at < p.T1 {
		return false
	}
	p.Transmitted = at
	return true
}

// at finds probe seq; nil when it is not in the table.
func (t *Table) at(seq uint64) *Probe {
	if p := &t.probes[seq&t.mask]; p.Seq == seq && p.state != 0 {
		return p
	}
	return nil
}

// Match settles the probe that a reply with this number, read at now, answers. reordered says that a
// later probe was answered before it.
func (t *Table) Match(number uint64, now clock.Mono) (p Probe, v Verdict, reordered bool) {
	found := t.resolve(number, now)
	if found == nil {
		t.pass(number)
		return Probe{}, Unmatched, false
	}
	before := found.state
	if before != answered {
		t.rtt, t.known = now.Sub(found.Sent), true
	}
	reordered = found.Seq < t.expected
	t.expected = max(t.expected, found.Seq+1)
	t.settle(found, answered)
	switch before {
	case outstanding:
		return *found, Fresh, reordered
	case lost:
		return *found, Late, reordered
	}
	return *found, Duplicate, false
}

// following is the next expected seq that a number fits.
func (t *Table) following(number uint64) uint64 {
	return t.expected + (number+t.config.Numbers-t.expected%t.config.Numbers)%t.config.Numbers
}

// pass takes note of a reply whose probe is forgotten, because the connection stalled for so long. The
// replies behind it are in order still.
func (t *Table) pass(number uint64) {
	if !t.config.InOrder || number >= t.config.Numbers {
		return
	}
	if seq := t.following(number); seq < t.next {
		t.expected = seq + 1
	}
}

// resolve finds the probe that a number stands for; nil when there is none.
func (t *Table) resolve(number uint64, now clock.Mono) *Probe {
	if number >= t.config.Numbers || t.next <= number {
		return nil
	}
	if t.config.InOrder {
		return t.at(t.following(number))
	}
	var best *Probe
	seq := t.next - 1 - (t.next-1+t.config.Numbers-number)%t.config.Numbers
	for {
		p := t.at(seq)
		if p == nil {
			return best
		}
		if best == nil || t.nearer(p, best, now) {
			best = p
		} else if t.known {
			return best // those before are farther still
		}
		if seq < t.config.Numbers {
			return best
		}
		seq -= t.config.Numbers
	}
}

// nearer reports whether a reply at now is more likely for p than for the later probe best.
func (t *Table) nearer(p, best *Probe, now clock.Mono) bool {
	if !t.known {
		return p.state == outstanding && best.state != outstanding
	}
	return (now.Sub(p.Sent) - t.rtt).Abs() < (now.Sub(best.Sent) - t.rtt).Abs()
}

func (t *Table) settle(p *Probe, s state) {
	if p.state == outstanding {
		t.waiting--
	}
	p.state = s
	for t.oldest < t.next && t.probes[t.oldest&t.mask].state != outstanding {
		t.oldest++
	}
}

// Expire takes the oldest probe that has waited for the timeout at now and declares it lost; false
// when there is none (any more).
func (t *Table) Expire(now clock.Mono) (Probe, bool) {
	if t.waiting == 0 {
		return Probe{}, false
	}
	p := &t.probes[t.oldest&t.mask]
	if now.Sub(p.Sent) < t.config.Timeout {
		return Probe{}, false
	}
	t.settle(p, lost)
	return *p, true
}

// Unreachable declares the probe with this number lost, because the network said so; false when it is
// not outstanding.
func (t *Table) Unreachable(number uint64, now clock.Mono) (Probe, bool) {
	p := t.resolve(number, now)
	if p == nil || p.state != outstanding {
		return Probe{}, false
	}
	t.settle(p, lost)
	return *p, true
}

// Abandon declares the oldest outstanding probe lost without waiting; false when there is none. After
// the last one, replies to any of them are not expected any more (the connection is gone).
func (t *Table) Abandon() (Probe, bool) {
	if t.waiting == 0 {
		t.expected = t.next
		return Probe{}, false
	}
	p := &t.probes[t.oldest&t.mask]
	t.settle(p, lost)
	return *p, true
}

// Lookup finds an outstanding probe by its seq.
func (t *Table) Lookup(seq uint64) (Probe, bool) {
	p := t.at(seq)
	if p == nil || p.state != outstanding {
		return Probe{}, false
	}
	return *p, true
}
