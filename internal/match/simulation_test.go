package match

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// trip is what becomes of one probe or its copy: how long it takes to the reflector and back.
type trip struct{ out, back time.Duration }

// halfway splits a round-trip time.
func halfway(rtt time.Duration) trip { return trip{rtt / 2, rtt - rtt/2} }

// flight is a reply that is on its way to the sender.
type flight struct {
	at  clock.Mono // when it will be read
	t2  clock.Wall
	seq uint64 // what it truly answers
}

// reflectorAhead is how far the reflector's clock is ahead of ours.
const reflectorAhead = -7 * time.Hour

// tableSimulation sends a probe in every slot over a made-up path, and compares what the table says of
// each reply with the truth.
type tableSimulation struct {
	config Config
	slots  int
	random *rand.Rand
	// path makes the replies to a probe that leaves in the slot; none = lost.
	path func(random *rand.Rand, slot int) []trip
	// step is by how much the clock of the reflector is set before a probe arrives at it.
	step func(at clock.Mono) time.Duration

	table     *Table
	flying    []flight // sorted by at
	answers   []int    // replies so far, by seq
	sent      int
	held      int // slots that were not sent in
	fresh     int
	late      int // and overdue
	overdue   int
	lost      int
	ambiguous int
	repeated  int // replies called Duplicate
	forgot    int // replies Unmatched
	doubled   int // first replies called Duplicate
	undone    int // probes declared lost that were answered in time
	wrong     int // replies Fresh that answer another probe
	lastWrong int // seq of the last of them
	mayErr    bool
}

func (s *tableSimulation) run(t *testing.T) {
	t.Helper()
	s.random = rand.New(rand.NewPCG(1, 2))
	s.table = NewTable(s.config)
	s.fresh, s.late, s.overdue, s.lost, s.ambiguous, s.repeated, s.forgot, s.doubled, s.undone = 0, 0, 0, 0, 0, 0, 0, 0, 0
	end := s.slots + 2*int(s.config.Timeout/s.config.Interval)
	for slot := range end {
		now := clock.Mono(slot) * clock.Mono(s.config.Interval)
		s.receive(t, now)
		for p, ok := s.table.Expire(now); ok; p, ok = s.table.Expire(now) {
			s.lost++
			if s.answers[p.Seq] > 0 {
				s.undone++
			}
			s.checkCounts(t)
		}
		switch {
		case slot >= s.slots:
		case s.table.Ready():
			s.send(t, slot, now)
		default:
			s.held++
		}
		if t.Failed() {
			t.Fatalf("stopped in slot %d, %d sent, %d fresh", slot, s.sent, s.fresh)
		}
	}
	if s.table.Outstanding() != 0 {
		t.Errorf("%d probes outstanding long after the last", s.table.Outstanding())
	}
	t.Logf("%d sent, %d slots held: %d fresh, %d ambiguous, %d late, %d lost (%d answered), %d duplicates (%d not), %d unmatched, %d wrong",
		s.sent, s.held, s.fresh, s.ambiguous, s.late, s.lost, s.undone, s.repeated, s.doubled, s.forgot, s.wrong)
}

func (s *tableSimulation) send(t *testing.T, slot int, now clock.Mono) {
	t.Helper()
	seq, _ := s.table.Next()
	mustAdd(t, s.table, now)
	s.sent++
	s.answers = append(s.answers, 0)
	for _, trip := range s.path(s.random, slot) {
		reflected := now.Add(trip.out)
		f := flight{at: reflected.Add(trip.back), t2: clock.Wall(reflected.Add(reflectorAhead)), seq: seq}
		if s.step != nil {
			f.t2 += clock.Wall(s.step(reflected))
		}
		i, _ := slices.BinarySearchFunc(s.flying, f.at+1, func(f flight, at clock.Mono) int { return int(f.at - at) })
		s.flying = slices.Insert(s.flying, i, f)
	}
	s.checkCounts(t)
}

func (s *tableSimulation) receive(t *testing.T, now clock.Mono) {
	t.Helper()
	for len(s.flying) > 0 && s.flying[0].at <= now {
		f := s.flying[0]
		s.flying = s.flying[1:]
		p, v, _ := s.table.Match(&Reply{Number: f.seq % s.config.Numbers, T2: f.t2, T4: clock.Wall(f.at), Read: f.at})
		if v == Fresh && p.Seq != f.seq {
			s.wrong++
			s.lastWrong = int(f.seq)
		}
		if s.wrong > 0 && !s.mayErr {
			t.Errorf("reply to %d is taken for one to %d after %v", f.seq, p.Seq, f.at.Sub(p.Sent))
			return
		}
		switch v {
		case Fresh:
			s.fresh++
		case Overdue:
			s.overdue++
			s.late++
			s.lost++
		case Late:
			s.late++
		case Ambiguous:
			s.ambiguous++
		case Unmatched:
			s.forgot++
		case Duplicate:
			s.repeated++
			if s.answers[f.seq] == 0 {
				s.doubled++
			}
		}
		s.answers[f.seq]++
		s.checkCounts(t)
	}
}

func (s *tableSimulation) checkCounts(t *testing.T) {
	t.Helper()
	if s.sent != s.fresh+s.ambiguous+s.lost+s.table.Outstanding() {
		t.Errorf("%d sent, but %d fresh + %d ambiguous + %d lost + %d outstanding", s.sent, s.fresh, s.ambiguous, s.lost, s.table.Outstanding())
	}
}

func (s *tableSimulation) wantCounts(t *testing.T, fresh, late, forgot int) {
	t.Helper()
	if s.fresh != fresh || s.late != late || s.forgot != forgot {
		t.Errorf("%d fresh, %d late, %d unmatched of %d sent, want %d, %d, %d", s.fresh, s.late, s.forgot, s.sent, fresh, late, forgot)
	}
}

// sway goes from low to high and back within a period of slots.
func sway(slot, period int, low, high time.Duration) time.Duration {
	phase := time.Duration(slot % period)
	half := time.Duration(period / 2)
	if phase > half {
		phase = 2*half - phase
	}
	return low + (high-low)*phase/half
}

// jittered adds up to ±20 ms to a round-trip time.
func jittered(random *rand.Rand, rtt time.Duration) time.Duration {
	const jitter = 20 * time.Millisecond
	return max(rtt-jitter+time.Duration(random.Int64N(int64(2*jitter))), 100*time.Microsecond)
}

// As long as the round-trip time changes by less than half a wrap (50 ms) from reply to reply, each is
// matched with the very probe it answers, whatever is lost, doubled or overtaken.
func TestEveryReplyIsMatchedWithItsProbe(t *testing.T) {
	outward := func(rtt time.Duration) trip { return trip{out: rtt} }
	for i, loss := range []float64{0, 0.01, 0.2, 0.5, 0, 0.01, 0.2, 0.5} {
		split := halfway
		if i >= 4 {
			split = outward
		}
		s := tableSimulation{config: textConfig(), slots: 10_000}
		answered := 0
		s.path = func(random *rand.Rand, slot int) []trip {
			rtt := sway(slot, 4000, 100*time.Microsecond, 90*time.Millisecond)
			if out, back := random.Float64(), random.Float64(); out < loss || back < loss {
				return nil
			}
			answered++
			if random.IntN(50) == 0 {
				return []trip{split(jittered(random, rtt)), split(jittered(random, rtt))}
			}
			return []trip{split(jittered(random, rtt))}
		}
		s.run(t)
		// A copy that comes 20 ms after its twin, while the next probe of its number is out, may be either's.
		if few := 6; s.late+s.forgot > 0 || s.ambiguous > few || s.fresh > answered || s.fresh < answered-few {
			t.Errorf("%d fresh, %d ambiguous, %d late, %d unmatched, want %d, up to %d, 0, 0",
				s.fresh, s.ambiguous, s.late, s.forgot, answered, few)
		}
	}
}

// The session is held back until the first reply; from that one on nothing is in doubt.
func TestRoundTripLongerThanTheNumbersLastIsMatchedFromTheFirstReply(t *testing.T) {
	for _, rtt := range []time.Duration{99, 101, 102, 350, 979} {
		s := tableSimulation{config: textConfig(), slots: 5000}
		answered := 0
		s.path = func(random *rand.Rand, _ int) []trip {
			if random.IntN(10) == 0 {
				return nil
			}
			answered++
			return []trip{halfway(jittered(random, rtt*time.Millisecond))}
		}
		s.run(t)
		s.wantCounts(t, answered, 0, 0)
		if held := s.slots - s.sent; held > int(rtt)+20 {
			t.Errorf("round trip of %d ms: %d slots held back, want at most %d", rtt, held, rtt+20)
		}
	}
}

func TestRoundTripThatGrowsBeyondTheTimeoutIsLateNotShorter(t *testing.T) {
	s := tableSimulation{config: textConfig(), slots: 8000}
	inTime, late := 0, 0
	s.path = func(_ *rand.Rand, slot int) []trip {
		rtt := sway(slot, 8000, 900*time.Millisecond, 1100*time.Millisecond)
		if rtt < time.Second {
			inTime++
		} else {
			late++
		}
		return []trip{halfway(rtt)}
	}
	s.run(t)
	s.wantCounts(t, inTime, late, 0)
}

// A stalled TCP connection delivers everything at its end, in order.
func TestRepliesInOrderAreMatchedAfterAStall(t *testing.T) {
	tests := []struct {
		name                       string
		stall                      int // in slots of 1 ms
		wantLate, wantUnmatchedMin int
	}{
		{"shorter than the numbers last", 60, 0, 0},
		{"of exactly all numbers", 101, 0, 0},
		{"of several wraps", 350, 0, 0},
		{"just within the timeout", 989, 0, 0},
		{"longer than the timeout", 1200, 190, 0},
		{"longer than the table remembers", 3500, 0, 1000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := tableSimulation{config: textConfig(), slots: 8000}
			s.config.InOrder = true
			const begin = 1000
			s.path = func(_ *rand.Rand, slot int) []trip {
				if end := begin + tt.stall; slot >= begin && slot < end {
					return []trip{halfway(time.Duration(end-slot)*time.Millisecond + 10*time.Millisecond)}
				}
				return []trip{halfway(10 * time.Millisecond)}
			}
			s.run(t)
			if s.forgot < tt.wantUnmatchedMin || tt.wantUnmatchedMin == 0 && s.forgot > 0 {
				t.Errorf("%d replies unmatched, want %d or more", s.forgot, tt.wantUnmatchedMin)
			}
			if s.late < tt.wantLate || tt.stall < 1000 && s.late > 0 {
				t.Errorf("%d replies late, want %d or more", s.late, tt.wantLate)
			}
			if s.fresh+s.late+s.forgot != s.sent {
				t.Errorf("%d fresh + %d late + %d unmatched replies, want %d", s.fresh, s.late, s.forgot, s.sent)
			}
			if fresh := s.slots - max(0, tt.stall-900); s.fresh < fresh {
				t.Errorf("%d fresh, want %d or more", s.fresh, fresh)
			}
		})
	}
}
