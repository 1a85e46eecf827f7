package match

import (
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// The numbers are known while replies can be told apart by what the replies before were like. They are
// unknown until the first reply and when that has failed. Then Ready holds the session back to so many
// probes as there are numbers, until a reply comes for whose number a single probe is outstanding.
//
// An outage can look like a stall and leave every reply with the probe one wrap earlier, with nothing
// odd about it. So now and then it is checked that there is a reply for whose number a single probe is
// outstanding. With a round-trip time shorter than the numbers last that is almost every one, otherwise
// Ready has to hold the session back a little.

const (
	// patience is for how long a probe without a reply keeps its number, while the numbers are unknown
	// and the timeout is longer.
	patience = 10 * time.Second
	// checkEvery is for how long the numbers are believed without a proof; checkSoon when they have
	// been learned anew, perhaps from a reply that came after the timeout.
	checkEvery, checkSoon = 30 * time.Second, 2 * time.Second
)

// numbering is what a Table knows of which probes the numbers stand for.
type numbering struct {
	wrap   time.Duration // for how long the numbers last
	single bool          // the table never remembers two probes of a number
	known  bool
	way    time.Duration // of the last replies
	swing  time.Duration // by how much it differs from reply to reply
	rtt    time.Duration // of the last one
	stale  uint64        // replies to probes before are not expected, while not known
	doubts int           // for replies that look as if the numbers were wrong, less those that do not
	leapt  int           // for replies that look as if a wrap or more was lost, less those that do not

	before time.Duration // the way before the stall
	apart  time.Duration // how far from it the way was when the trial began, or had come much nearer
	trial  uint64        // replies for which the stall is still believed; 0 = no stall

	proven   clock.Mono // when a reply came for whose number a single probe was outstanding
	checking clock.Mono // until when the next proof must come; 0 = that is not urgent
}

func newNumbering(c Config, size uint64) numbering {
	if c.Numbers >= size {
		return numbering{single: true}
	}
	return numbering{wrap: time.Duration(c.Numbers) * c.Interval}
}

// recent is the first seq that has not been overtaken by a wrap or more.
func (t *Table) recent() uint64 { return t.expected - min(t.expected, t.config.Numbers) }

// rivals finds the youngest outstanding probe of a number and how many there are from a seq on.
func (t *Table) rivals(number, from uint64) (youngest *Probe, n int) {
	from = max(from, t.oldest, t.stale)
	for seq := t.youngest(number); seq >= from && seq < t.next; seq -= t.config.Numbers {
		p := t.at(seq)
		if p == nil || p.state != outstanding {
			continue
		}
		if n++; youngest == nil {
			youngest = p
		}
	}
	return youngest, n
}

// suspect gives the numbers up when there are too many doubts.
func (t *Table) suspect(doubts int) {
	if t.doubts += doubts; t.doubts >= strikes {
		t.known = false
	}
}

// check looks whether a single probe was outstanding that the reply can be for. If not, Ready holds the
// session back to as many probes in flight as there are numbers, until there is such a reply.
func (t *Table) check(r *Reply) {
	if _, n := t.rivals(r.Number, t.recent()); n == 1 {
		t.proven, t.checking, t.trial = r.Read, 0, 0
	} else if t.checking == 0 {
		t.checking = r.Read.Add(t.rtt + t.wrap)
	}
}

// crowded reports whether Ready must hold the session back for the numbers to be told apart.
func (t *Table) crowded() bool {
	switch {
	case t.single || t.config.InOrder || !t.config.Hold:
		return false
	case !t.known:
		return t.next-max(t.oldest, t.stale) >= t.config.Numbers
	}
	return t.checking != 0 && t.next-max(t.oldest, t.expected) >= t.config.Numbers
}

// learn takes a reply while the numbers are unknown.
func (t *Table) learn(r *Reply) (*Probe, bool) {
	p, n := t.rivals(r.Number, 0)
	if n == 0 {
		return t.at(t.youngest(r.Number)), true
	}
	if t.config.Hold && (n > 1 || p.doubtful) {
		return p, false
	}
	t.proven = r.Read
	if t.rtt != 0 {
		t.proven = r.Read.Add(checkSoon - checkEvery)
	}
	t.known, t.way, t.rtt, t.expected = true, r.wayOf(p), r.Read.Sub(p.Sent), p.Seq
	t.leapt, t.doubts, t.trial, t.checking = 0, 0, 0, 0
	return p, true
}

// doubt makes all doubtful that an ambiguous reply may have been for.
func (t *Table) doubt(number uint64) {
	from := max(t.oldest, t.stale)
	if t.known {
		from = max(from, t.recent())
	}
	for seq := t.youngest(number); seq >= from && seq < t.next; seq -= t.config.Numbers {
		if p := t.at(seq); p != nil && p.state == outstanding {
			p.doubtful = true
		}
	}
}

// forget gives the numbers up if a check took too long, and moves stale on. Before the first reply
// nothing is stale: the round-trip time may be anything.
func (t *Table) forget(now clock.Mono) {
	if t.checking != 0 && now > t.checking {
		t.known, t.checking = false, 0
	}
	horizon := patience + 2*t.rtt
	if t.single || t.rtt == 0 || horizon >= t.config.Timeout {
		return
	}
	for t.stale = max(t.stale, t.oldest); t.stale < t.next; t.stale++ {
		if now.Sub(t.probes[t.stale&t.mask].Sent) < horizon {
			return
		}
	}
}
