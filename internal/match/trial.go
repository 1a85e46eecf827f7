package match

import "time"

// setBackProbes is how many probes end a trial that are older than the last one of the session. Fewer may
// be copies of old ones.
const setBackProbes = 8

// trial is probes that are far from the others of the session, and near each other.
type trial struct {
	probes  int // 0: no trial
	anew    bool
	setBack bool               // by their T1 they are older than head
	seq     uint64             // of first, if not anew
	first   Sighting           // the lowest number
	last    Sighting           // the highest
	seen    [sequenceSize]bool // by number, from first on
}

// enough is how many probes end the trial.
func (t *trial) enough() int {
	if t.setBack {
		return setBackProbes
	}
	return 2
}

// try puts a probe on trial, or takes it for another one of those that are.
func (s *Sequence) try(seq uint64, p *Sighting, lost []Lost) (Finding, []Lost) {
	setBack := p.T1 <= s.t1
	if setBack && (p.Authentic || p.At.Sub(s.at) < silent) {
		return Finding{Seq: outside(seq), Verdict: Duplicate}, lost
	}
	t := &s.trial
	switch step, like := s.like(p); {
	case !like:
		return s.beginTrial(seq, p, setBack), lost
	case step == 0, step > 0 && t.seen[step], step < 0 && t.setBack:
		return Finding{Seq: outside(seq), Verdict: Duplicate}, lost
	case step > 0:
		t.add(step, p)
	default:
		t.addBefore(step, p)
	}
	if t.probes >= t.enough() {
		return s.confirm(p, lost)
	}
	return Finding{Seq: t.outside(p), Verdict: Fresh, Trying: t.anew, Doubtful: true}, lost
}

// like reports whether a probe is like those on trial, and by how many seqs it is ahead of the first of
// them. By 0 it is the first.
func (s *Sequence) like(p *Sighting) (step int64, like bool) {
	t := &s.trial
	switch {
	case t.probes == 0, !t.anew && t.seq <= s.head:
		return 0, false
	case t.setBack && s.at >= t.first.At: // the session has gone on since
		return 0, false
	}
	step = int64(int32(p.Number - t.first.Number))
	switch {
	case step == 0:
		return 0, p.T1 == t.first.T1
	case step > 0:
		return step, step < sequenceSize && p.T1 >= t.first.T1
	}
	return step, step > -sequenceSize && p.T1 <= t.first.T1 && (t.anew || t.seq+uint64(step) > s.head)
}

func (s *Sequence) beginTrial(seq uint64, p *Sighting, setBack bool) Finding {
	anew := seq <= s.head || !s.reaches(seq, p)
	s.trial = trial{probes: 1, anew: anew, setBack: setBack, seq: seq, first: *p, last: *p}
	return Finding{Seq: s.trial.outside(p), Verdict: Fresh, Anew: anew, Doubtful: setBack}
}

// reaches reports whether the sender can have sent all probes up to a seq ahead of head, in the time since
// that. If not, it began anew: behind the upper half of the numbers, the first ones are ahead.
func (s *Sequence) reaches(seq uint64, p *Sighting) bool {
	g := s.gap(seq, p)
	return g.step <= slots(max(g.span, p.At.Sub(s.at))+time.Second)
}

// add adds a probe that is ahead of the first one.
func (t *trial) add(step int64, p *Sighting) {
	t.probes++
	t.seen[step] = true
	if p.Number-t.first.Number > t.last.Number-t.first.Number {
		t.last = *p
	}
}

// addBefore adds a probe that the first one, which is the only one so far, has overtaken.
func (t *trial) addBefore(step int64, p *Sighting) {
	t.probes++
	t.seen[-step] = true
	t.seq += uint64(step)
	t.first = *p
}

// outside is the seq of a probe on trial as others know it.
func (t *trial) outside(p *Sighting) uint64 {
	if t.anew {
		return uint64(p.Number)
	}
	return outside(t.seq + uint64(p.Number-t.first.Number))
}

// confirm goes on with the probes on trial, of which p came last: anew, with nothing lost but what was
// missing before; or far ahead, with all lost between.
func (s *Sequence) confirm(p *Sighting, lost []Lost) (Finding, []Lost) {
	t := s.trial
	s.trial = trial{}
	f := Finding{Seq: t.outside(p), Verdict: Fresh, Confirmed: t.anew, Reordered: p.Number != t.last.Number}
	if t.anew {
		lost = s.declareMissing(p.At, -1, lost)
		s.begin(&t.first)
		s.received += uint64(t.probes) - 1
	} else {
		s.received += uint64(t.probes)
		lost = s.advance(t.seq, &t.first, lost)
	}
	first := s.head
	lost = s.advance(first+uint64(t.last.Number-t.first.Number), &t.last, lost)
	for i := first + 1; i < s.head; i++ {
		if t.seen[i-first] {
			s.place(i).state = arrived
			s.missing--
		}
	}
	return f, lost
}
