package match

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// reply is one that is on its way to the sender.
type reply struct {
	at  clock.Mono // when it will be read
	seq uint64     // what it truly answers
}

// tableSimulation sends a probe in every slot over a made-up path, and compares what the table says of
// each reply with the truth.
type tableSimulation struct {
	config Config
	slots  int
	random *rand.Rand
	// path makes the replies to a probe that leaves in the slot; none = lost.
	path func(random *rand.Rand, slot int) []time.Duration

	table    *Table
	flying   []reply // sorted by at
	outcomes []Verdict
	sent     int
	fresh    int
	late     int
	lost     int
	forgot   int // replies Unmatched
}

func (s *tableSimulation) run(t *testing.T) {
	t.Helper()
	s.random = rand.New(rand.NewPCG(1, 2))
	s.table = NewTable(s.config)
	end := s.slots + 2*int(s.config.Timeout/s.config.Interval)
	for slot := range end {
		now := clock.Mono(slot) * clock.Mono(s.config.Interval)
		s.receive(t, now)
		for _, ok := s.table.Expire(now); ok; _, ok = s.table.Expire(now) {
			s.lost++
			s.checkCounts(t)
		}
		if slot < s.slots && s.table.Ready() {
			s.send(t, slot, now)
		}
		if t.Failed() {
			t.Fatalf("stopped in slot %d, %d sent, %d fresh", slot, s.sent, s.fresh)
		}
	}
	if s.table.Outstanding() != 0 {
		t.Errorf("%d probes outstanding long after the last", s.table.Outstanding())
	}
}

func (s *tableSimulation) send(t *testing.T, slot int, now clock.Mono) {
	t.Helper()
	seq, _ := s.table.Next()
	mustAdd(t, s.table, now)
	s.sent++
	s.outcomes = append(s.outcomes, Unmatched)
	for _, rtt := range s.path(s.random, slot) {
		r := reply{at: now.Add(rtt), seq: seq}
		i, _ := slices.BinarySearchFunc(s.flying, r.at+1, func(r reply, at clock.Mono) int { return int(r.at - at) })
		s.flying = slices.Insert(s.flying, i, r)
	}
	s.checkCounts(t)
}

func (s *tableSimulation) receive(t *testing.T, now clock.Mono) {
	t.Helper()
	for len(s.flying) > 0 && s.flying[0].at <= now {
		r := s.flying[0]
		s.flying = s.flying[1:]
		p, v, _ := s.table.Match(r.seq%s.config.Numbers, r.at)
		if v != Unmatched && p.Seq != r.seq {
			t.Errorf("reply to %d after %v is taken for one to %d, verdict %d", r.seq, r.at.Sub(p.Sent), p.Seq, v)
			return
		}
		switch v {
		case Fresh:
			s.fresh++
		case Late:
			s.late++
		case Unmatched:
			s.forgot++
		case Duplicate:
			if s.outcomes[r.seq] == Unmatched {
				t.Errorf("the first reply to %d is called a duplicate", r.seq)
			}
		}
		s.outcomes[r.seq] = v
		s.checkCounts(t)
	}
}

func (s *tableSimulation) checkCounts(t *testing.T) {
	t.Helper()
	if s.sent != s.fresh+s.lost+s.table.Outstanding() {
		t.Errorf("%d sent, but %d fresh + %d lost + %d outstanding", s.sent, s.fresh, s.lost, s.table.Outstanding())
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
	for _, loss := range []float64{0, 0.01, 0.2, 0.5} {
		s := tableSimulation{config: textConfig(), slots: 10_000}
		answered := 0
		s.path = func(random *rand.Rand, slot int) []time.Duration {
			rtt := sway(slot, 4000, 100*time.Microsecond, 90*time.Millisecond)
			if out, back := random.Float64(), random.Float64(); out < loss || back < loss {
				return nil
			}
			answered++
			if random.IntN(50) == 0 {
				return []time.Duration{jittered(random, rtt), jittered(random, rtt)}
			}
			return []time.Duration{jittered(random, rtt)}
		}
		s.run(t)
		s.wantCounts(t, answered, 0, 0)
	}
}

// The session is held back until the first reply; from that one on nothing is in doubt.
func TestRoundTripLongerThanTheNumbersLastIsMatchedFromTheFirstReply(t *testing.T) {
	for _, rtt := range []time.Duration{99, 101, 102, 350, 979} {
		s := tableSimulation{config: textConfig(), slots: 5000}
		answered := 0
		s.path = func(random *rand.Rand, _ int) []time.Duration {
			if random.IntN(10) == 0 {
				return nil
			}
			answered++
			return []time.Duration{jittered(random, rtt*time.Millisecond)}
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
	s.path = func(_ *rand.Rand, slot int) []time.Duration {
		rtt := sway(slot, 8000, 900*time.Millisecond, 1100*time.Millisecond)
		// A probe that is as old as the timeout is lost at the start of a slot, after what was read.
		if rtt <= time.Second {
			inTime++
		} else {
			late++
		}
		return []time.Duration{rtt}
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
		{"just within the timeout", 990, 0, 0},
		{"longer than the timeout", 1200, 190, 0},
		{"longer than the table remembers", 3500, 0, 1000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := tableSimulation{config: textConfig(), slots: 8000}
			s.config.InOrder = true
			const begin = 1000
			s.path = func(_ *rand.Rand, slot int) []time.Duration {
				if end := begin + tt.stall; slot >= begin && slot < end {
					return []time.Duration{time.Duration(end-slot)*time.Millisecond + 10*time.Millisecond}
				}
				return []time.Duration{10 * time.Millisecond}
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
