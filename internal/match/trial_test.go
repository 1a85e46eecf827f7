package match

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

func TestSequenceTakesASenderThatBeginsAnewForANewSession(t *testing.T) {
	for _, before := range []uint32{2, 50, 127, 128, 129, 5000} {
		for _, begin := range []uint32{0, 1, 5} { // the number that is heard first
			if begin > before {
				continue // one cannot know
			}
			s := newSightings()
			at := clock.Mono(0)
			for i := range before {
				s.arrive(i, at)
				at += ms
			}
			at += 3 * second
			fresh := s.fresh
			var anew, confirmed int
			for i := range uint32(3000) {
				f := s.arrive(begin+i, at)
				at += ms
				if f.Seq != uint64(begin+i) || f.Verdict != Fresh {
					t.Fatalf("after %d probes, anew from %d: probe %d is %+v", before, begin, begin+i, f)
				}
				if f.Anew {
					anew++
				}
				if f.Confirmed {
					confirmed++
				}
			}
			s.settle(at + 100*second)
			if s.lost != 0 || s.fresh != fresh+3000 {
				t.Errorf("after %d probes, anew from %d: %d lost, want none", before, begin, s.lost)
			}
			if want := before > begin+1; want && before > 5 && (anew != 1 || confirmed != 1) {
				t.Errorf("after %d probes, anew from %d: %d times on trial, %d times confirmed, want once", before, begin, anew, confirmed)
			}
		}
	}
}

// Number 0 is ahead of the upper half of the numbers. No sender was that fast.
func TestSequenceTakesASenderThatBeginsAnewFromTheUpperHalfForANewSession(t *testing.T) {
	for _, before := range []uint32{1<<31 + 1, 1<<31 + 500, 1<<31 + 100_000, 3 << 30, 1<<32 - 1_000_000} {
		for _, begin := range []uint32{0, 3} {
			for _, silence := range []clock.Mono{0, 3 * second, 60 * second, 290 * second} {
				if uint64(1<<32-int64(before)) <= slots(time.Duration(silence)+time.Second) {
					continue // one cannot know
				}
				s := newSightings()
				at := clock.Mono(0)
				for i := range uint32(1000) {
					s.arrive(before-1000+i, at)
					at += ms
				}
				at += silence
				for i := range uint32(1000) {
					f := s.arrive(begin+i, at)
					at += ms
					if f.Seq != uint64(begin+i) || f.Verdict != Fresh || f.Anew != (i == 0) || f.Confirmed != (i == 1) {
						t.Fatalf("after number %d and %v, anew from %d: probe %d is %+v", before, time.Duration(silence), begin, i, f)
					}
				}
				s.settle(at + 100*second)
				if s.lost != 0 {
					t.Errorf("after number %d and %v, anew from %d: %d lost, want none", before, time.Duration(silence), begin, s.lost)
				}
			}
		}
	}
}

// An outage is loss, however long and in whatever half of the numbers.
func TestSequenceTellsAnOutageFromANewBeginning(t *testing.T) {
	for _, first := range []uint32{0, 1<<31 - 50_000, 1 << 31, 1<<32 - 50_000} {
		for _, step := range []clock.Mono{-5 * second, 0, 5 * second} { // of the sender's clock meanwhile
			const interval, before, lost = ms / 10, 20_000, 600_000 // a minute at the shortest interval
			s := newSightings()
			for i := range uint32(before) {
				s.arrive(first+i, clock.Mono(i)*interval)
			}
			for i := range uint32(before) {
				at := clock.Mono(before+lost+i) * interval
				if f := s.arriveAt(first+before+lost+i, at+step, at); f.Verdict != Fresh || f.Anew || f.Confirmed {
					t.Fatalf("from %d, clock set by %v: probe %d is %+v", first, time.Duration(step), i, f)
				}
			}
			s.settle(clock.Mono(2*before+lost)*interval + 100*second)
			if s.lost != lost {
				t.Errorf("from %d, clock set by %v: %d lost, want %d", first, time.Duration(step), s.lost, lost)
			}
		}
	}
}

// recordedSession has a session arrive, with a restart within it, and returns its probes and when it ended.
func recordedSession(s *sightings) (recorded []Sighting, end clock.Mono) {
	for _, from := range []uint32{5000, 0} {
		for i := range uint32(3000) {
			recorded = append(recorded, Sighting{Number: from + i, T1: clock.Wall(end)})
			s.arrive(from+i, end)
			end += ms
		}
	}
	return recorded, end
}

// Recorded probes change nothing, whenever they come, where nobody can make others.
func TestSequenceIsNotMovedByReplays(t *testing.T) {
	for _, authentic := range []bool{true, false} {
		for _, after := range []time.Duration{0, silent - time.Second, silent, time.Minute, 24 * time.Hour} {
			if !authentic && after >= silent {
				continue
			}
			s := newSightings()
			s.authentic = authentic
			recorded, at := recordedSession(s)
			at = at.Add(after)
			before := s.Sequence
			for _, p := range recorded {
				if f := s.arriveAt(p.Number, clock.Mono(p.T1), at); f.Verdict != Duplicate {
					t.Fatalf("copy of probe %d, %v later: %+v, want a duplicate", p.Number, after, f)
				}
			}
			if s.Sequence != before || s.lost != 0 {
				t.Errorf("copies %v later changed the state, %d lost", after, s.lost)
			}
		}
	}
}

// Where anybody can make probes, copies that come after a silence may be of a sender whose clock was set
// back. They are not measured, and a few of them do not move the session.
func TestSequenceIsNotMovedByAFewReplaysAfterASilence(t *testing.T) {
	s := newSightings()
	recorded, at := recordedSession(s)
	next := recorded[len(recorded)-1]
	last := at
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 1000 {
		at += 20 * second
		from := rnd.IntN(len(recorded) - setBackProbes)
		for _, p := range recorded[from : from+1+rnd.IntN(setBackProbes-1)] {
			f := s.arriveAt(p.Number, clock.Mono(p.T1), at)
			if f.Verdict == Fresh && !f.Doubtful || f.Confirmed {
				t.Fatalf("copy of probe %d: %+v, want it not to be measured", p.Number, f)
			}
			at += ms
		}
		next.Number++
		last += 20*second + 10*ms
		if f := s.arriveAt(next.Number, last, at); f.Verdict != Fresh || f.Anew || f.Confirmed || f.Doubtful {
			t.Fatalf("probe %d after copies: %+v, want fresh", next.Number, f)
		}
	}
	if s.lost != 0 {
		t.Errorf("%d lost, want none", s.lost)
	}
}

func TestSequenceTakesASenderThatBeginsAnewWithItsClockSetBack(t *testing.T) {
	s := newSightings()
	_, at := recordedSession(s)
	at += clock.Mono(silent)
	for i := range uint32(1000) {
		f := s.arriveAt(i, at-3600*second, at)
		at += ms
		want := Finding{
			Seq: uint64(i), Verdict: Fresh, Anew: i == 0, Trying: i > 0 && i < setBackProbes-1,
			Confirmed: i == setBackProbes-1, Doubtful: i < setBackProbes-1,
		}
		if f != want {
			t.Fatalf("probe %d: %+v, want %+v", i, f, want)
		}
	}
	if s.lost != 0 {
		t.Errorf("%d lost, want none", s.lost)
	}
}

// Probes of before a session's first may be ones that it overtook, but not for long.
func TestSequenceTakesProbesOfBeforeTheFirstAtFirstOnly(t *testing.T) {
	s := newSightings()
	s.arrive(1000, second)
	for i, tt := range []struct {
		number uint32
		at     clock.Mono
		want   Verdict
	}{
		{999, second + 2*ms, Fresh}, {999, second + 3*ms, Duplicate}, {998, 60 * second, Duplicate},
		{950, 3600 * second, Duplicate}, {1001, 3600 * second, Fresh},
	} {
		if f := s.arriveAt(tt.number, clock.Mono(tt.number)*ms, tt.at); f.Verdict != tt.want {
			t.Errorf("%d, probe %d: %+v, want %v", i, tt.number, f, tt.want)
		}
	}
}

// A number that came far too early is overtaken by the others before it is confirmed.
func TestSequenceDropsATrialThatIsOvertaken(t *testing.T) {
	s := newSightings()
	for i := range uint32(1000) {
		s.arrive(i, clock.Mono(i)*ms)
		if i == 300 {
			s.arriveAt(450, 450*ms, 300*ms+ms+1)
		}
		if i == 700 {
			if f := s.arriveAt(451, 451*ms, 700*ms+ms+1); f.Verdict != Duplicate {
				t.Errorf("%+v, want a duplicate", f)
			}
			if f := s.arriveAt(455, 10_000*ms, 700*ms+ms+2); f.Confirmed || f.Seq != 455 {
				t.Errorf("%+v, want it on trial by itself", f)
			}
		}
	}
	if s.lost != 0 || s.head != seqBase+999 {
		t.Errorf("%d lost, the last is seq %d, want 0 and 999", s.lost, s.head-seqBase)
	}
}
