package match

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// epochStart is a time of the sender's clock at which a second begins.
const epochStart = clock.Wall(1_768_219_134 * int64(time.Second))

// sightings feeds a Sequence and keeps what it tells.
type sightings struct {
	Sequence
	fresh, late, duplicates uint64
	reordered               uint64
	losses                  map[int64]uint64 // by the second in which they were sent, counted from epochStart
	lost                    uint64
	scratch                 []Lost
	authentic               bool
}

func newSightings() *sightings {
	return &sightings{losses: map[int64]uint64{}, scratch: make([]Lost, 0, MostLosses)}
}

// arrive has the probe with this number, sent at the time sent, arrive a little later.
func (s *sightings) arrive(number uint32, sent clock.Mono) Finding {
	return s.arriveAt(number, sent, sent+ms)
}

func (s *sightings) arriveAt(number uint32, sent, at clock.Mono) Finding {
	f, lost := s.Arrive(Sighting{
		Number: number, T1: epochStart + clock.Wall(sent), T2: epochStart + clock.Wall(at), At: at, Authentic: s.authentic,
	}, s.scratch)
	s.tell(lost)
	switch f.Verdict {
	case Fresh:
		s.fresh++
	case Late:
		s.late++
	case Duplicate:
		s.duplicates++
	}
	if f.Reordered {
		s.reordered++
	}
	return f
}

func (s *sightings) settle(now clock.Mono) {
	s.tell(s.Settle(now, windowTimeout, s.scratch))
}

func (s *sightings) tell(lost []Lost) {
	for _, l := range lost {
		s.losses[int64(l.Sent-epochStart)/int64(time.Second)] += l.Count
		s.lost += l.Count
	}
}

// Whatever a network does, each probe ends as what it was, and each loss in the second in which it was
// sent.
func TestSequenceSettlesEachProbeInItsSecond(t *testing.T) {
	networks := map[string]struct {
		loss, twice float64
		jitter      time.Duration // less than the window
		outage      bool
	}{
		"nothing happens":        {},
		"loss":                   {loss: 0.1},
		"heavy loss":             {loss: 0.9},
		"reordering":             {jitter: 50 * time.Millisecond},
		"duplication":            {twice: 0.2},
		"outages":                {outage: true},
		"outages and loss":       {outage: true, loss: 0.3},
		"all of that at once":    {loss: 0.2, twice: 0.1, jitter: 30 * time.Millisecond, outage: true},
		"much of that, and loss": {loss: 0.5, twice: 0.5, jitter: 20 * time.Millisecond},
	}
	for name, network := range networks {
		for _, first := range []uint32{0, 7, 1<<31 - 2000, 1<<32 - 3000} {
			t.Run(name, func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(uint64(first), 7))
				type copied struct {
					number   uint32
					sent, at clock.Mono
				}
				var copies []copied
				want, delivered, twice := map[int64]uint64{}, uint64(0), uint64(0)
				const probes = 60_000
				for i := range uint32(probes) {
					sent := clock.Mono(i)*ms + clock.Mono(rnd.IntN(100_000))
					down := network.outage && i%20_000 > 5_000 && i%20_000 < 17_500
					if i > 2*sequenceSize && i < probes-2*sequenceSize && (down || rnd.Float64() < network.loss) {
						want[int64(sent/second)]++
						continue
					}
					delivered++
					at := sent + ms
					if network.jitter > 0 {
						at = at.Add(rand.N(network.jitter))
					}
					copies = append(copies, copied{first + i, sent, at})
					if rnd.Float64() < network.twice {
						twice++
						copies = append(copies, copied{first + i, sent, at.Add(time.Millisecond)})
					}
				}
				slices.SortStableFunc(copies, func(a, b copied) int { return int(a.at - b.at) })
				s := newSightings()
				for _, c := range copies {
					s.settle(c.at)
					s.arriveAt(c.number, c.sent, c.at)
				}
				s.settle(copies[len(copies)-1].at + 100*second)
				if s.fresh != delivered || s.duplicates != twice || s.late != 0 || s.Pending() {
					t.Errorf("%d fresh, %d copies, %d late, want %d, %d, 0", s.fresh, s.duplicates, s.late, delivered, twice)
				}
				off := uint64(0)
				for sec := range int64(probes/1000 + 1) {
					got, want := s.losses[sec], want[sec]
					off += max(got, want) - min(got, want)
				}
				// A probe's time is known to a fraction of the interval: near the end of a second it may be off by one.
				if total := sum(want); s.lost != total || off > 2*uint64(len(want)) {
					t.Errorf("%d lost, %d of them in another second, want %d", s.lost, off, total)
				}
				if network.jitter == 0 && s.reordered != 0 {
					t.Errorf("%d reordered, want none", s.reordered)
				}
			})
		}
	}
}

func sum(m map[int64]uint64) (total uint64) {
	for _, n := range m {
		total += n
	}
	return total
}

func TestSequenceCountsOnWhenNumbersWrap(t *testing.T) {
	s := newSightings()
	for i := range uint32(1000) {
		f := s.arrive(1<<32-500+i, clock.Mono(i)*ms)
		if want := uint64(1<<32 - 500 + int64(i)); f.Seq != want || f.Verdict != Fresh {
			t.Fatalf("probe %d is seq %d, %v, want %d, fresh", i, f.Seq, f.Verdict, want)
		}
	}
	if s.lost != 0 || s.Pending() {
		t.Errorf("%d lost, want none", s.lost)
	}
}

func TestSequencePauseOfTheSenderIsNoLoss(t *testing.T) {
	s := newSightings()
	for i := range uint32(100) {
		s.arrive(i, clock.Mono(i)*100*second)
		s.settle(clock.Mono(i)*100*second + 50*second)
	}
	if s.lost != 0 || s.fresh != 100 {
		t.Errorf("%d lost, %d fresh, want 0 and 100", s.lost, s.fresh)
	}
}

// What was missing before a restart was lost, and is told.
func TestSequenceTellsWhatWasMissingWhenTheSenderBeginsAnew(t *testing.T) {
	s := newSightings()
	for _, number := range []uint32{1000, 1001, 1004, 1005} {
		s.arrive(number, clock.Mono(number)*ms)
	}
	for _, number := range []uint32{0, 1, 2} {
		s.arrive(number, 2*second+clock.Mono(number)*ms)
	}
	if s.lost != 2 || s.losses[1] != 2 {
		t.Errorf("losses %v, want 2 of second 1", s.losses)
	}
}

// A forged number is on trial only: the session goes on without loss.
func TestSequenceIsNotMovedByOneForgedProbe(t *testing.T) {
	for _, forged := range []uint32{0, 1, 4999, 5000, 5600, 100_000, 1 << 30, 1 << 31, 1<<32 - 1} {
		for _, ahead := range []clock.Mono{-5 * second, 0, ms / 2, 5 * second, 1 << 60} {
			s := newSightings()
			for i := range uint32(10_000) {
				at := clock.Mono(i) * ms
				if f := s.arrive(i, at); f.Verdict != Fresh || f.Confirmed || f.Anew {
					t.Fatalf("forged %d, %v ahead: probe %d is %+v", forged, time.Duration(ahead), i, f)
				}
				if i == 5000 {
					s.arriveAt(forged, at+ahead, at+ms+1)
				}
				s.settle(at)
			}
			if s.lost != 0 {
				t.Errorf("forged %d, %v ahead: %d lost, want none", forged, time.Duration(ahead), s.lost)
			}
		}
	}
}

func TestSequenceBoundsLossesThatAreForged(t *testing.T) {
	s := newSightings()
	s.arrive(0, 0)
	for i := range uint32(100) {
		s.arrive(i*15_000, clock.Mono(i)*ms) // more than fit into a second are a new beginning
		s.arrive(i*15_000+1, clock.Mono(i)*ms+1)
	}
	if bound := lossesPerProbe * s.received; s.lost > bound || s.lost > 25_000 {
		t.Errorf("%d lost after %d probes, want %d at most, and no more than fit into 0.1 s and a second", s.lost, s.received, bound)
	}
	if s.lost == 0 {
		t.Error("nothing lost, want some")
	}
}

// A sender without a clock is measured by ours.
func TestSequenceTellsLossesOfASenderWithoutAClock(t *testing.T) {
	s := newSightings()
	var lost []Lost
	at := clock.Mono(0)
	for _, number := range []uint32{0, 1, 2, 3, 2003, 2004} {
		at = clock.Mono(number) * ms
		_, lost = s.Arrive(Sighting{Number: number, T1: clock.Wall(at), T2: epochStart + clock.Wall(at), At: at}, s.scratch)
		s.tell(lost)
	}
	s.settle(at + 100*second)
	// 400 at most after four probes.
	if s.lost == 0 || s.losses[0] == 0 {
		t.Errorf("losses %v, want some, from second 0 on", s.losses)
	}
}

// The sender's clock is set back by an hour, also while probes are lost.
func TestSequenceOutlivesAClockThatIsSetBack(t *testing.T) {
	for _, lost := range []uint32{0, 5, 20_000} {
		s := newSightings()
		for i := range uint32(5000) {
			s.arrive(i, clock.Mono(i)*ms)
		}
		for i := 5000 + lost; i < 10_000+lost; i++ {
			at := clock.Mono(i) * ms
			f := s.arriveAt(i, at-3600*second, at)
			if f.Verdict != Fresh {
				t.Fatalf("%d lost: probe %d is %+v, want fresh", lost, i, f)
			}
		}
		s.settle(clock.Mono(10_000+lost)*ms + 100*second)
		if s.lost != uint64(lost) {
			t.Errorf("%d lost, want %d", s.lost, lost)
		}
	}
}

func TestSequenceTellsLossesOfALongGapByPeriods(t *testing.T) {
	s := newSightings()
	for i := range uint32(1000) {
		s.arrive(i, clock.Mono(i)*second)
	}
	f, lost := s.Arrive(Sighting{Number: 10_000, T1: epochStart + clock.Wall(10_000*second), T2: epochStart + clock.Wall(10_000*second), At: 10_000 * second}, s.scratch)
	if f.Verdict != Fresh || len(lost) != 0 {
		t.Errorf("the first probe after a gap: %+v, %d losses, want it on trial", f, len(lost))
	}
	_, lost = s.Arrive(Sighting{Number: 10_001, T1: epochStart + clock.Wall(10_001*second), T2: epochStart + clock.Wall(10_001*second), At: 10_001 * second}, s.scratch)
	s.tell(lost)
	if len(lost) > MostLosses || len(lost) < spread/2 {
		t.Errorf("%d records, want about %d", len(lost), spread)
	}
	for i := 1; i < len(lost); i++ {
		if lost[i].Sent <= lost[i-1].Sent {
			t.Fatalf("record %d is of %v, after one of %v", i, lost[i].Sent, lost[i-1].Sent)
		}
	}
	s.settle(20_000 * second)
	if s.lost != 9000 {
		t.Errorf("%d lost, want 9000", s.lost)
	}
}

func TestSequenceTellsStragglersFromCopies(t *testing.T) {
	s := newSightings()
	for i := range uint32(300) {
		if i != 150 && i != 290 && i != 10 {
			s.arrive(i, clock.Mono(i)*ms)
		}
	}
	s.settle(299*ms + clock.Mono(windowTimeout))
	tests := []struct {
		number uint32
		want   Verdict
	}{
		{290, Late},      // declared lost
		{290, Duplicate}, // and now it was there
		{10, Duplicate},  // too long ago to know
		{298, Duplicate},
	}
	for _, tt := range tests {
		if f := s.arriveAt(tt.number, clock.Mono(tt.number)*ms, 400*ms); f.Verdict != tt.want {
			t.Errorf("probe %d: %+v, want %v", tt.number, f, tt.want)
		}
	}
}

// The sender's clock is set forward or back while probes are lost: then ours says when they were sent.
func TestSequenceTellsLossesWhileAClockIsSet(t *testing.T) {
	for _, step := range []clock.Mono{-9 * second, -2 * second, 9 * second} {
		s := newSightings()
		for i := range uint32(10_000) {
			at := clock.Mono(i) * ms
			sent := at
			if i >= 5100 {
				sent += step
			}
			if i < 5000 || i >= 5100 {
				s.arriveAt(i, sent, at+ms)
			}
		}
		s.settle(100 * second)
		first := int64(5)
		if step < 0 { // what is forward within a few seconds may have been a queue
			first += int64(step / second)
			if n := s.losses[first] + s.losses[first+1]; n != 100 {
				t.Errorf("set by %v: losses %v, want 100 in second %d or the next", time.Duration(step), s.losses, first)
			}
		}
		if s.lost != 100 {
			t.Errorf("set by %v: %d lost, want 100", time.Duration(step), s.lost)
		}
	}
}

func TestGapIsCutWhereASecondBegins(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		g := gap{from: epochStart, span: time.Duration(1 + rnd.Int64N(1<<rnd.IntN(40))), step: 1 + rnd.Uint64N(1<<rnd.IntN(32))}
		cut := epochStart + 1 + clock.Wall(rnd.Int64N(2*int64(g.span)))
		n := g.before(cut)
		if n > g.step || n > 0 && g.sent(n) >= cut || n < g.step && g.sent(n+1) < cut {
			t.Fatalf("%+v cut at %d: %d before it, sent until %d, and %d after it", g, cut-epochStart, n, g.sent(n)-epochStart, g.sent(n+1)-epochStart)
		}
	}
}

func BenchmarkSequence(b *testing.B) {
	var s Sequence
	scratch := make([]Lost, 0, MostLosses)
	at := clock.Mono(0)
	b.ReportAllocs()
	for i := uint32(0); b.Loop(); i++ {
		at += ms
		s.Arrive(Sighting{Number: i, T1: epochStart + clock.Wall(at), T2: epochStart + clock.Wall(at), At: at}, scratch)
	}
}

func FuzzSequenceKeepsCount(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 1, 20, 0, 2, 0, 1, 20, 0, 255, 1, 1, 1})
	f.Add([]byte("\x01 arriving and settling, arriving and settling"))
	f.Add([]byte("\x00\x00\x00\x7f\xff\x29\x00\x30\x00\x01\x00\x00\x60\x7f\xff\x29"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := &tape{data}
		s, at := newSightings(), clock.Mono(0)
		for len(in.rest) > 0 {
			before := s.lost
			var lost []Lost
			if in.byte()%8 == 7 {
				lost = s.Settle(at, in.duration(), s.scratch)
			} else {
				number := uint32(in.number(s.head+3, 1<<32))
				at = max(at, at.Add(in.duration()))
				_, lost = s.Arrive(Sighting{
					Number: number, T1: epochStart + clock.Wall(at.Add(in.duration())), T2: epochStart + clock.Wall(at), At: at,
				}, s.scratch)
			}
			s.tell(lost)
			if len(lost) > MostLosses {
				t.Fatalf("%d records, want %d at most", len(lost), MostLosses)
			}
			if more := s.lost - before; s.declared > lossesPerProbe*s.received || more > lossesPerProbe*(s.received+2) && more > sequenceSize {
				t.Fatalf("%d lost and %d received", s.declared, s.received)
			}
			found := 0
			for _, x := range s.places {
				if x.state == missing {
					found++
				}
			}
			if found != s.missing || s.Pending() != (found > 0) {
				t.Fatalf("%d missing, want %d", s.missing, found)
			}
			if s.begun && s.place(s.head).state != arrived {
				t.Fatal("head did not arrive")
			}
		}
	})
}
