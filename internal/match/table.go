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
	// Overdue is a reply that comes after the timeout of a probe that nobody had declared lost yet. Match
	// did so now.
	Overdue
	// Ambiguous is a reply that may answer one of several probes. The likeliest is settled with it, so
	// that the count of losses is right, but its delay is not known.
	Ambiguous
	// Unasked is a reply to a probe that asked for none.
	Unasked
)

// Probe is one sent probe.
type Probe struct {
	Seq         uint64
	Sent        clock.Mono // when it was sent
	T1          clock.Wall // the same, as written into the packet
	Transmitted clock.Wall // the kernel's transmit timestamp; 0 = unknown
	T2          clock.Wall // as its reply said
	Epoch       uint32     // of our wall clock (clock.StepDetector) when it was sent

	state    state
	doubtful bool // an ambiguous reply may have been its own: its delay can't be known any more
}

type state uint8

const (
	outstanding state = iota + 1
	answered
	lost
	unasked // none of these will come of it
)

// Reply is what a reply says, and when it came.
type Reply struct {
	Number uint64
	T2     clock.Wall // when the reflector received the probe, by its clock
	T4     clock.Wall // when the reply arrived; 0 = unknown
	Epoch  uint32     // of T4
	Read   clock.Mono // when it arrived, by the monotonic clock, as far as is known: when we read it
}

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
	// Hold lets Ready hold the session back while numbers can't be told apart; see Table.
	Hold bool
}

// Table remembers the probes of one session until they are settled, and a while longer to tell
// duplicates and late replies.
//
// Over UDP a number may stand for several probes that are all unanswered (101 numbers last 101 ms at
// one probe a millisecond). Which of them a reply is for, the order of the probes and the reflector's
// T2 tell; see resolve.go. While they do not, replies are Ambiguous, and Ready holds the session back to
// so many unanswered probes as there are numbers: then each stands for one probe again, whatever the
// delay. So begins every session.
type Table struct {
	config   Config
	probes   []Probe
	mask     uint64
	oldest   uint64 // all before are settled
	next     uint64 // seq of the next probe
	expected uint64 // all seqs answered so far are below
	waiting  int    // probes outstanding
	numbering
}

// NewTable makes a table with room for all probes that can be outstanding at once, and for as many
// that are settled or one wrap of the numbers, whichever is less. Without these, a reply just after
// the timeout would be taken for one to the probe a wrap later.
func NewTable(c Config) *Table {
	need := uint64((c.Timeout+c.Slack)/c.Interval) + 2
	need += min(need, c.Numbers)
	size := uint64(1) << bits.Len64(need-1)
	return &Table{config: c, probes: make([]Probe, size), mask: size - 1, numbering: newNumbering(c, size)}
}

// Next gives the seq and the number of the next probe.
func (t *Table) Next() (seq uint64, number int) { return t.next, int(t.next % t.config.Numbers) }

// Ready reports whether the table has room for the next probe and its number would be told from those
// in flight.
func (t *Table) Ready() bool {
	return t.next-t.oldest <= t.mask && !t.crowded()
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

// Match settles the probe that a reply answers. reordered says that a later probe was answered before
// it.
func (t *Table) Match(r *Reply) (p Probe, v Verdict, reordered bool) {
	found, sure := t.resolve(r)
	if found != nil && found.state == unasked {
		return *found, Unasked, false
	}
	if sure && found != nil && found.state != answered && r.predates(found) {
		t.suspect(strikes)
		sure = false
	}
	switch {
	case found == nil:
		t.pass(r.Number)
		return Probe{}, Unmatched, false
	case !sure:
		t.doubt(r.Number)
		found.T2 = r.T2
		t.settle(found, answered)
		return *found, Ambiguous, false
	case found.state == answered:
		return *found, Duplicate, false
	}
	v = t.verdict(found, r)
	reordered = found.Seq < t.expected
	t.expected = max(t.expected, found.Seq+1)
	found.T2 = r.T2
	t.settle(found, answered)
	return *found, v, reordered
}

// verdict on the first reply to p.
func (t *Table) verdict(p *Probe, r *Reply) Verdict {
	switch {
	case p.state == lost:
		return Late
	case p.doubtful:
		return Ambiguous
	case p.age(r) >= t.config.Timeout:
		return Overdue
	}
	return Fresh
}

// predates reports whether the reply came in before p was sent, and so can't be for it.
func (r *Reply) predates(p *Probe) bool {
	return r.T4 != 0 && r.Epoch == p.Epoch && r.T4 < p.T1
}

// age is how old p was when its reply arrived. That we read the reply later does not count, if the wall
// clock was not set meanwhile.
func (p *Probe) age(r *Reply) time.Duration {
	age := r.Read.Sub(p.Sent)
	if r.T4 == 0 || r.Epoch != p.Epoch {
		return age
	}
	if stamped := r.T4.Sub(max(p.T1, p.Transmitted)); stamped >= 0 {
		return min(age, stamped)
	}
	return age
}

// following is the first seq from base on that a number fits.
func (t *Table) following(number, base uint64) uint64 {
	return base + (number+t.config.Numbers-base%t.config.Numbers)%t.config.Numbers
}

// pass takes note of a reply whose probe is forgotten, because the connection stalled for so long. The
// replies behind it are in order still.
func (t *Table) pass(number uint64) {
	if !t.config.InOrder || number >= t.config.Numbers {
		return
	}
	if seq := t.following(number, t.expected); seq < t.next {
		t.expected = seq + 1
	}
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
	t.forget(now)
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
	p := t.bounced(number, now)
	if p == nil {
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
