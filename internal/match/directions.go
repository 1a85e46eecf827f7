package match

// Directions tells on which way the probes of a session were lost, from the numbers that a stateful
// STAMP reflector counts its replies with (RFC 8762 section 4.3.1: from 0, plus 1 per reply).
//
// A request that does not reach the reflector leaves no gap in its numbers; a reply that is lost does.
// So between two answered probes, of all that were lost in between, forward are as many as seqs went by
// more than numbers; the others are backward. That holds where nothing overtook: the two must be cuts,
// which means that the reflector had all probes before them before them, and all behind them after.
// Which are cuts the replies of up to look probes around them tell, in whatever order they came.
//
// Words: a probe is overtaken if a later one has a lower number. An era is a life of the reflector's
// session: it ends when the reflector begins to count anew. What it had counted is gone with it, so of
// losses around that time those are backward that the new era's numbers show, and the rest is forward:
// nobody was there to answer.
//
// Losses before the first reply are told as if the reflector had begun to count with the session. Where
// its number shows that it had not, they are not told.
//
// Each lost probe is told to be one or the other once, when a cut behind it is known and all probes
// before that are settled. Hence the sum of both falls behind the losses by those that no reply has
// followed yet, and stays behind when none follows. A reply after the timeout shows that its probe was
// not lost forward; it counts as backward. A request that the network doubled, and one of whose two
// replies is lost, can make one loss backward that was forward.
type Directions struct {
	fates    []fate
	mask     uint64
	start    uint64 // seq of the first probe
	cut      fate   // all losses before are told
	head     fate   // of the answered probes the last
	era      uint8
	eraFrom  uint64 // first seq of the era
	repeated uint32 // numbers of the era that went to doubled requests

	pending     uint64 // losses to tell
	first, last uint64 // of these
	tried       uint64 // no cut to tell them by is before
	refused     int    // probes looked at since, that are none
	based       bool   // cut is the last one before them
}

// look is how far reordering may reach, in probes.
const look = 64

// patient is how many probes in a row may be no cut, as when the network doubles requests all the time
// and loses some of their replies, before the next one has to do.
const patient = 8 * look

// fate is what became of one probe.
type fate struct {
	seq      uint64
	number   uint32 // as if no request had been doubled
	era      uint8
	answered bool // perhaps too late
	lost     bool
}

// Split is how losses divide. They are of seqs after From, up to To.
type Split struct {
	From, To          uint64
	Forward, Backward uint64
}

// NewDirections makes one that remembers as many probes as a table of that Cap.
func NewDirections(capacity int) *Directions {
	d := &Directions{fates: make([]fate, capacity), mask: uint64(capacity) - 1}
	d.Reset(0)
	return d
}

// Reset begins anew with seq first, to which a reflector's first reply has number 0. It does not
// allocate.
func (d *Directions) Reset(first uint64) {
	clear(d.fates)
	*d = Directions{fates: d.fates, mask: d.mask, eraFrom: first, start: first}
	d.cut = fate{seq: first - 1, number: ^uint32(0), answered: true}
	d.head = d.cut
}

// at finds what is known of a probe; nil = nothing.
func (d *Directions) at(seq uint64) *fate {
	if f := &d.fates[seq&d.mask]; f.seq == seq && (f.answered || f.lost) {
		return f
	}
	return nil
}

// of gives the place for what becomes of a probe; nil if a later one has it.
func (d *Directions) of(seq uint64) *fate {
	f := &d.fates[seq&d.mask]
	switch known := f.answered || f.lost; {
	case known && f.seq > seq:
		return nil
	case !known || f.seq != seq:
		*f = fate{seq: seq}
	}
	return f
}

// Answered takes the first reply to a probe, also one that comes too late.
func (d *Directions) Answered(seq uint64, number uint32) {
	f := d.of(seq)
	if f == nil {
		return
	}
	if d.ahead(seq) > 0 && d.beganAnew(seq, number-d.repeated) {
		d.era, d.eraFrom, d.repeated = d.era+1, seq, 0
	}
	f.answered, f.era, f.number = true, d.era, number-d.repeated
	if d.before(seq) {
		f.era--
	}
	if d.ahead(seq) > 0 {
		d.head = *f
	}
}

// ahead is by how much a seq is ahead of head.
func (d *Directions) ahead(seq uint64) int64 { return int64(seq - d.head.seq) }

// before reports whether a seq is of the era before.
func (d *Directions) before(seq uint64) bool { return int64(seq-d.eraFrom) < 0 }

// mostCopies is as how many requests one may reach the reflector, on the average of an outage, of which no
// reply tells that the network doubles them.
const mostCopies = 4

// beganAnew reports whether probe seq, ahead of head, with this number shows that the reflector began to
// count anew: it is lower than by reordering, or was there before, or is higher than by all requests in
// between. The last is so for the first numbers behind the upper half of them.
func (d *Directions) beganAnew(seq uint64, number uint32) bool {
	behind := int32(d.head.number - number)
	switch {
	case d.before(d.head.seq):
		return false
	case behind < 0:
		return uint64(number-d.head.number) > mostCopies*uint64(d.ahead(seq))+look
	case behind >= look:
		return true
	}
	for i := range uint64(2 * look) {
		if f := d.at(d.head.seq - i); f != nil && f.answered && f.era == d.era && f.number == number {
			return true
		}
	}
	return false
}

// Repeated takes a second reply to a probe. If its number is another than the first one's, the request
// was doubled on its way, and the numbers from there on are ahead by one.
func (d *Directions) Repeated(seq uint64, number uint32) {
	f := d.at(seq)
	if f == nil || !f.answered || f.era != d.era || number-d.repeated == f.number {
		return
	}
	number -= d.repeated
	if (number - f.number + look) > 2*look { // not of this era
		return
	}
	d.repeated++
	for i := range uint64(2 * look) {
		d.lower(d.at(d.head.seq-i), number)
	}
	d.lower(&d.head, number)
	d.lower(&d.cut, number)
}

// lower takes a doubled request's number out of those behind it.
func (d *Directions) lower(f *fate, number uint32) {
	if f != nil && f.answered && f.era == d.era && int32(f.number-number) > 0 {
		f.number--
	}
}

// Lost takes a probe that was declared lost.
func (d *Directions) Lost(seq uint64) {
	f := d.of(seq)
	if f == nil || f.lost {
		return
	}
	f.lost = true
	if d.pending == 0 {
		d.first, d.last = seq, seq
	}
	d.first, d.last = min(d.first, seq), max(d.last, seq)
	d.pending++
}

// WasLost reports whether a probe was declared lost, as far as is remembered.
func (d *Directions) WasLost(seq uint64) bool {
	f := d.at(seq)
	return f != nil && f.lost
}

// Pending is how many losses are not told yet.
func (d *Directions) Pending() uint64 { return d.pending }

// Forget gives up telling the losses so far.
func (d *Directions) Forget() { d.pending, d.based = 0, false }

// base looks for the last cut before the first loss. Then that may be forgotten.
func (d *Directions) base() {
	d.based, d.tried, d.refused = true, d.first, 0
	for i := uint64(1); i <= 4*look && int64(d.first-i-d.cut.seq) > 0; i++ {
		if f := d.at(d.first - i); f != nil && f.answered && d.clean(f) {
			d.cut = *f
			return
		}
	}
}

// clean reports whether an answered probe is a cut, as far as is known.
func (d *Directions) clean(f *fate) bool { return d.cleanBefore(f) && d.cleanBehind(f) }

// cleanBefore reports whether a probe neither overtook any that were sent before it, nor was overtaken
// by one whose reply is missing. Then more was counted between those before it and it than was sent.
// One of them alone may have overtaken something itself.
func (d *Directions) cleanBefore(f *fate) bool {
	lowest, seen, against := int32(0), 0, 0
	for i := uint64(1); i <= look; i++ {
		q := d.at(f.seq - i)
		if q == nil || !q.answered || q.era != f.era {
			continue
		}
		ahead := int32(q.number - f.number)
		if ahead > 0 {
			return false
		}
		if ahead > lowest || seen == 3 { // q overtook another one
			continue
		}
		lowest = ahead
		if seen++; int64(-ahead) > int64(i) {
			against++
		}
	}
	return against < 2
}

// cleanBehind reports whether none that were sent behind a probe overtook it, nor it any whose reply is
// missing.
func (d *Directions) cleanBehind(f *fate) bool {
	lowest := int32(1) << 30
	for seq := min(f.seq+look, d.head.seq); int64(seq-f.seq) > 0; seq-- {
		q := d.at(seq)
		if q == nil || !q.answered || q.era != f.era {
			continue
		}
		ahead := int32(q.number - f.number)
		switch {
		case ahead < 0:
			return false
		case ahead > lowest: // q was overtaken
			continue
		case int64(ahead) > int64(seq-f.seq):
			return false
		}
		lowest = ahead
	}
	return true
}

// Split tells the oldest losses that can be told; false when there are none (any more). All probes
// before frontier are settled.
func (d *Directions) Split(frontier uint64) (Split, bool) {
	if d.pending == 0 || d.first >= frontier {
		return Split{}, false
	}
	if !d.based {
		d.base()
	}
	if oldest := d.last - min(d.last, d.mask); d.tried < oldest {
		d.tried = oldest
	}
	for ; d.tried < frontier; d.tried++ {
		f := d.at(d.tried)
		if f == nil || !f.answered {
			continue
		}
		if d.refused++; d.clean(f) || d.refused > patient {
			return d.tell(f), true
		}
	}
	return Split{}, false
}

// tell divides the losses up to a cut.
func (d *Directions) tell(f *fate) Split {
	behind := uint64(0)
	for seq := d.last; seq > f.seq; seq-- {
		if d.WasLost(seq) {
			d.first = seq
			behind++
		}
	}
	s := d.divide(f, d.pending-min(d.pending, behind))
	d.pending, d.cut, d.based = behind, *f, false
	return s
}

// divide divides so many losses before a cut.
func (d *Directions) divide(f *fate, losses uint64) Split {
	s := Split{From: d.cut.seq, To: f.seq}
	sent, counted := int64(f.seq-d.cut.seq), int64(int32(f.number-d.cut.number))
	switch {
	case f.era != d.cut.era:
		s.Forward = losses - min(losses, d.missing(f))
	case d.cut.seq == d.start-1 && counted > sent:
		return s // the reflector had counted before we began
	default:
		s.Forward = min(losses, uint64(max(0, sent-counted)))
	}
	s.Backward = losses - s.Forward
	return s
}

// missing is how many of the new era's replies before f did not come in time.
func (d *Directions) missing(f *fate) uint64 {
	n := int64(f.number)
	for seq := max(d.eraFrom, f.seq-min(f.seq, d.mask)); seq < f.seq; seq++ {
		if q := d.at(seq); q != nil && q.answered && !q.lost && q.era == f.era {
			n--
		}
	}
	return uint64(max(0, n))
}

// First is the first loss that is not told yet; false when there is none.
func (d *Directions) First() (seq uint64, ok bool) { return d.first, d.pending > 0 }
