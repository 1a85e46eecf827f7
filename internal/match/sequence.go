package match

import (
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

const (
	// sequenceSize is for how many seqs the order of arrival does not matter.
	sequenceSize = 128
	// silent is how long a session must be silent before a probe that seems to be older than the last
	// one may be of a sender whose clock was set back.
	silent = 10 * time.Second
)

// Sequence follows the numbers of one session's probes as they arrive, when there are 2^32 of them, so
// that a number alone says how far it is from another. It tells which probes came before, and which are
// lost: those missing for a timeout, or sequenceSize probes behind, each with the time at which it was
// sent.
//
// A number far from the last ones can be that of a sender that began anew, or that was not heard for a
// long time, and it can be a forged one. So it is on trial, and changes nothing but for that, until it
// is followed by another like it. One that is far behind, or came before, and that was not sent later
// than the last one, is a copy; or else its sender's clock was set back. Where nobody but the sender can
// have made a probe, it always is a copy, since copies are all that others have. Elsewhere, where they can
// make what they want, it is on trial once the session has been silent: a longer trial, in which nothing
// is to be measured.
type Sequence struct {
	begun    bool
	first    uint64     // seq of the first probe
	head     uint64     // highest seq that arrived
	t1       clock.Wall // of head
	sent     clock.Wall // when head was sent, by the clock that losses are told in
	at       clock.Mono // when head was read
	began    clock.Mono // when first was read
	received uint64     // probes
	declared uint64     // losses
	missing  int        // in places
	places   [sequenceSize]place
	trial    trial
}

// place is one seq among the last sequenceSize.
type place struct {
	state   placeState
	sent    clock.Wall // about when it was sent, while it is missing
	noticed clock.Mono // since when it is missing
}

type placeState uint8

const (
	unseen  placeState = iota // before the session's first, or declared lost
	missing                   // and may yet come
	arrived
)

// Sighting is what is seen of a probe.
type Sighting struct {
	Number uint32
	T1     clock.Wall // when it was sent, by its sender's clock
	T2     clock.Wall // when it arrived, by ours
	At     clock.Mono // when it was read
	// Authentic: nobody but its sender can have made it, though others may have copies.
	Authentic bool
}

// sent is when a probe was sent. A T1 that is far off comes from a clock that was never set: then it is
// about when it arrived.
func (p *Sighting) sent() clock.Wall {
	if p.T2.Sub(p.T1).Abs() > longestStall {
		return p.T2
	}
	return p.T1
}

// Finding is what a Sequence found out about a probe.
type Finding struct {
	Seq       uint64
	Verdict   Verdict // Fresh, Late or Duplicate
	Reordered bool    // a later one was before this
	// Anew: the probe seems to be the first of a sender that begins anew, but is on trial. Trying: it goes
	// on with such a trial. Confirmed: it ends the trial, and is the next of a new session.
	Anew, Trying, Confirmed bool
	// Doubtful: it is on trial, and by its T1 a copy or of a sender whose clock was set back. To be
	// answered, but not to be measured.
	Doubtful bool
}

// seqBase is the seq that number 0 of the first 2^32 has inside, so that there are seqs before it.
const seqBase = 1 << 32

func outside(seq uint64) uint64 {
	if seq < seqBase {
		return uint64(uint32(seq))
	}
	return seq - seqBase
}

// Reset begins a new session.
func (s *Sequence) Reset() { *s = Sequence{} }

// Arrive takes a probe that arrived. It appends the losses that it shows to lost, MostLosses at most.
func (s *Sequence) Arrive(p Sighting, lost []Lost) (Finding, []Lost) {
	if !s.begun {
		s.begin(&p)
		return Finding{Seq: uint64(p.Number), Verdict: Fresh}, lost
	}
	ahead := int64(int32(p.Number - uint32(s.head)))
	seq := s.head + uint64(ahead)
	switch {
	case ahead > 0 && ahead < sequenceSize:
		s.received++
		return Finding{Seq: outside(seq), Verdict: Fresh}, s.advance(seq, &p, lost)
	case ahead <= 0 && ahead > -sequenceSize:
		if f, ok := s.within(seq, &p); ok {
			return f, lost
		}
	}
	return s.try(seq, &p, lost)
}

// within settles a probe that is among the last ones; not ok if it does not seem to be one of them.
func (s *Sequence) within(seq uint64, p *Sighting) (f Finding, ok bool) {
	x := s.place(seq)
	f = Finding{Seq: outside(seq), Verdict: Fresh, Reordered: true}
	switch {
	case x.state == missing:
		s.missing--
	case x.state == unseen && seq < s.first && p.At.Sub(s.began) < silent:
	case p.T1 > s.t1: // sent later than those behind it
		return Finding{}, false
	case x.state == unseen && seq >= s.first:
		f.Verdict = Late
	default:
		return Finding{Seq: outside(seq), Verdict: Duplicate}, true
	}
	x.state = arrived
	s.received++
	return f, true
}

func (s *Sequence) begin(p *Sighting) {
	first := seqBase + uint64(p.Number)
	*s = Sequence{
		begun: true, first: first, head: first, t1: p.T1, sent: p.sent(), at: p.At, began: p.At, received: 1,
	}
	s.place(first).state = arrived
}

func (s *Sequence) place(seq uint64) *place { return &s.places[seq%sequenceSize] }

// advance makes a probe head that is ahead of it.
func (s *Sequence) advance(seq uint64, p *Sighting, lost []Lost) []Lost {
	g := s.gap(seq, p)
	for i := s.head + 1; i <= min(seq, s.head+sequenceSize); i++ { // the place of i is that of i-sequenceSize
		if x := s.place(i); x.state == missing {
			lost = s.loseOne(x.sent, p.At, lost)
			s.missing--
		}
		s.place(i).state = unseen
	}
	if far := seq - s.head; far > sequenceSize {
		lost = s.loseFirst(far-sequenceSize, &g, p.At, lost)
	}
	for i := max(s.head+1, seq-min(seq, sequenceSize-1)); i < seq; i++ {
		*s.place(i) = place{state: missing, sent: g.sent(i - s.head), noticed: p.At}
		s.missing++
	}
	s.place(seq).state = arrived
	s.head, s.t1, s.sent, s.at = seq, p.T1, p.sent(), p.At
	return lost
}

// Pending reports whether a probe is missing and not settled yet.
func (s *Sequence) Pending() bool { return s.missing > 0 }

// Settle declares lost what has been missing for the timeout at now, and appends it to lost.
func (s *Sequence) Settle(now clock.Mono, timeout time.Duration, lost []Lost) []Lost {
	if s.missing == 0 {
		return lost
	}
	return s.declareMissing(now, timeout, lost)
}

// declareMissing declares lost what has been missing for a time; all that is missing if that is
// negative.
func (s *Sequence) declareMissing(now clock.Mono, timeout time.Duration, lost []Lost) []Lost {
	for i := s.head - sequenceSize + 1; i != s.head && s.missing > 0; i++ {
		x := s.place(i)
		if x.state == missing && (timeout < 0 || now.Sub(x.noticed) >= timeout) {
			x.state = unseen
			s.missing--
			lost = s.loseOne(x.sent, now, lost)
		}
	}
	return lost
}
