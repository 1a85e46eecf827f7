package match

import (
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// Which probe does a reply answer, if its number stands for several?
//
// A candidate is a probe of that number that the table remembers. Its way is T2 - Sent: the delay to the
// reflector plus the distance of the clocks, which is unknown but the same for all. The way changes
// neither when replies queue on their way back nor when our wall clock is set. The nearest is the
// candidate whose way is nearest to that of the replies before. The first is the one that comes next
// behind what was answered so far.
//
// After loss, duplicates and reordering the nearest is right. After a stall of the path, whose probes then
// come all at once, and when the reflector's clock was set, the first is right. Where the two disagree, or
// the nearest was answered before, it depends on which accident is the less likely. If that does not
// tell, the reply is Ambiguous. Too many of these, and the numbers are unknown (see numbering.go).

const (
	// orderly is how many probes may be missing before the first for it to be believed against the
	// nearest. After an outage it is any of 101 numbers.
	orderly = 3
	// leaps is when replies of the same way as before have shown that a wrap or more was lost between: 16
	// in a row, each counts two. So many a stall does not have: there each is an interval faster than the
	// one before it.
	leaps = 32
	// strikes is when doubts are enough to give up the numbers: three replies to answered probes in a
	// short time (each counts strike), or as many plain duplicates without a fresh reply in between.
	strikes, strike = 12, 4
	// trialWraps is for how many wraps a stall is believed that ends neither in the way from before nor
	// with a proof.
	trialWraps = 2
)

// resolve finds the probe that a reply is for; nil when there is none. Unless that is sure, the probe is
// outstanding, and one of several.
func (t *Table) resolve(r *Reply) (p *Probe, sure bool) {
	switch {
	case r.Number >= t.config.Numbers || t.next <= r.Number:
		return nil, false
	case t.config.InOrder:
		return t.at(t.following(r.Number, t.expected)), true
	case t.single:
		return t.at(t.youngest(r.Number)), true
	case !t.known:
		return t.learn(r)
	}
	return t.choose(r)
}

// youngest is the last seq with this number.
func (t *Table) youngest(number uint64) uint64 {
	return t.next - 1 - (t.next-1+t.config.Numbers-number)%t.config.Numbers
}

// wayOf is the way of a reply to p.
func (r *Reply) wayOf(p *Probe) time.Duration { return time.Duration(int64(r.T2) - int64(p.Sent)) }

// choose finds the probe of a reply by what the replies before were like.
func (t *Table) choose(r *Reply) (*Probe, bool) {
	p, off := t.nearest(r.Number, int64(r.T2), t.way)
	if p == nil {
		return nil, false
	}
	seq := t.following(r.Number, max(t.expected, t.oldest))
	first := t.at(seq)
	switch {
	case p != first && (off > t.wrap/16 || p.state == answered) && t.clockSet(first, r):
		return t.follow(first, t.wrap, r)
	case p.state == answered:
		return t.repeated(p, r)
	case p.Seq > seq:
		return t.leap(p, first, off, r)
	case t.doubts > 0 && p.Seq < t.expected && off > t.wrap/64+4*t.swing: // a straggler, or one more oddity
		return t.prove(p, r)
	case off <= t.wrap/8, off <= t.tolerance() && !t.overtakes(p, r), p == first && t.follows(p):
		return t.follow(p, off, r)
	}
	return t.prove(p, r)
}

// clockSet reports whether the reflector's clock was set: the first has the round-trip time of the
// replies before, which that does not change.
func (t *Table) clockSet(first *Probe, r *Reply) bool {
	return t.follows(first) && (r.Read.Sub(first.Sent)-t.rtt).Abs() <= t.wrap/8 && t.trial == 0
}

// follows reports whether p is the next probe to be answered, or nearly so.
func (t *Table) follows(p *Probe) bool {
	return p != nil && p.state == outstanding && p.Seq-t.expected <= orderly
}

// overtakes reports whether p passed more probes than it is faster than usual: then those were lost, or
// it is not the one.
func (t *Table) overtakes(p *Probe, r *Reply) bool {
	if p.Seq < t.expected {
		return false
	}
	faster := max(0, t.way-r.wayOf(p))
	return time.Duration(p.Seq-t.expected)*t.config.Interval > faster+t.tolerance()
}

// nearest finds the candidate whose time since it was sent is nearest to the usual one.
func (t *Table) nearest(number uint64, at int64, usual time.Duration) (best *Probe, off time.Duration) {
	for seq := t.youngest(number); ; seq -= t.config.Numbers {
		p := t.at(seq)
		if p == nil {
			return best, off
		}
		o := (time.Duration(at-int64(p.Sent)) - usual).Abs()
		if best != nil && o >= off {
			return best, off // those before are farther still
		}
		best, off = p, o
		if seq < t.config.Numbers {
			return best, off
		}
	}
}

// tolerance is by how much the way may differ from that of the replies before.
func (t *Table) tolerance() time.Duration {
	if t.trial > 0 {
		return t.wrap / 8
	}
	return min(t.wrap*3/8, t.wrap/8+4*t.swing)
}

// repeated takes a reply whose nearest candidate was answered before.
func (t *Table) repeated(p *Probe, r *Reply) (*Probe, bool) {
	if p.doubtful { // by a reply that may have been another's
		rival, _ := t.rivals(r.Number, 0)
		if rival == nil || !rival.doubtful {
			return p, true
		}
		return rival, false
	}
	rival, n := t.rivals(r.Number, t.recent())
	switch {
	case n == 0:
		return p, true
	case r.T2.Sub(p.T2).Abs() <= t.wrap/64 && !t.follows(rival):
		t.suspect(1)
		return p, true
	}
	t.suspect(strike)
	if !t.known && n == 1 && !rival.doubtful {
		t.known = true
		return t.follow(rival, t.wrap, r)
	}
	return rival, false
}

// leap takes a reply whose nearest candidate p comes a wrap or more behind first. Either all in between
// are lost, or the path stalled.
func (t *Table) leap(p, first *Probe, off time.Duration, r *Reply) (*Probe, bool) {
	same := off <= t.wrap/16
	stalled := t.follows(first) && t.leapt == 0
	switch {
	case stalled && !same:
		t.before, t.apart, t.trial = t.way, (r.wayOf(first) - t.way).Abs(), trialWraps*t.config.Numbers
		return t.follow(first, t.wrap, r)
	case !stalled && same && p.state == outstanding:
		if t.leapt += 2; t.leapt < leaps {
			return p, false
		}
		t.leapt = 0
		return t.follow(p, off, r)
	}
	return t.prove(p, r)
}

// prove takes a reply that no rule gives to p. It is for whatever is the only one outstanding of its
// number, if there is but one.
func (t *Table) prove(p *Probe, r *Reply) (*Probe, bool) {
	rival, n := t.rivals(r.Number, t.recent())
	switch {
	case n == 0:
		return p, p.state == lost
	case n == 1 && !rival.doubtful:
		return t.follow(rival, (r.wayOf(rival) - t.way).Abs(), r)
	}
	t.suspect(strike)
	return rival, false
}

// follow learns from a reply that is for p.
func (t *Table) follow(p *Probe, off time.Duration, r *Reply) (*Probe, bool) {
	way := r.wayOf(p)
	switch {
	case off <= t.wrap*3/8:
		t.way += (way - t.way) / 4
		t.swing += (off - t.swing) / 8
	case p.Seq >= t.expected: // else it is a straggler from before the way changed
		t.way = way
	}
	t.rtt = r.Read.Sub(p.Sent)
	t.leapt, t.doubts = max(0, t.leapt-1), max(0, t.doubts-1)
	if t.trial > 0 {
		t.tryOut(way, r)
	}
	if p.state == outstanding && (t.checking != 0 || r.Read.Sub(t.proven) > checkEvery) {
		t.check(r)
	}
	return p, true
}

// tryOut goes on with the trial of a stall. It is over when the way is as before. If it comes no nearer,
// it may have been an outage of whole wraps.
func (t *Table) tryOut(way time.Duration, r *Reply) {
	apart := (way - t.before).Abs()
	switch t.trial--; {
	case apart <= t.wrap/4:
		t.trial = 0
	case apart < t.apart-t.wrap/8:
		t.apart, t.trial = apart, trialWraps*t.config.Numbers
	case t.trial == 0:
		t.check(r)
	}
}

// bounced finds the outstanding probe that an error at now is about; nil when there is none. Of several
// it is the one with the usual round-trip time, or the last: errors come soon.
func (t *Table) bounced(number uint64, now clock.Mono) *Probe {
	if number >= t.config.Numbers || t.next <= number {
		return nil
	}
	if t.known {
		if p, _ := t.nearest(number, int64(now), t.rtt); p != nil && p.state == outstanding {
			return p
		}
	}
	p, _ := t.rivals(number, 0)
	return p
}
