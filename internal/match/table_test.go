package match

import (
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

const (
	ms     = clock.Mono(time.Millisecond)
	second = clock.Mono(time.Second)

	textNumbers  = 101
	stampNumbers = 1 << 32
)

// textConfig is the hardest session: 101 numbers, of which a thousand probes may be in flight.
func textConfig() Config {
	return Config{Numbers: textNumbers, Timeout: time.Second, Interval: time.Millisecond, Slack: 20 * time.Millisecond, Hold: true}
}

// slowConfig is a session with more numbers than probes in flight.
func slowConfig() Config {
	return Config{Numbers: textNumbers, Timeout: time.Second, Interval: 100 * time.Millisecond}
}

// startAt makes the table look as if it had sent and settled seq probes.
func startAt(table *Table, seq uint64) { table.oldest, table.next, table.expected = seq, seq, seq }

func mustAdd(t *testing.T, table *Table, sent ...clock.Mono) {
	t.Helper()
	for _, at := range sent {
		if !table.Add(at, clock.Wall(at), 0) {
			t.Fatalf("Add(%d) is refused", at)
		}
	}
}

func wantMatch(t *testing.T, table *Table, number uint64, now clock.Mono, wantSeq uint64, want Verdict, wantReordered bool) {
	t.Helper()
	p, v, reordered := table.Match(replyTo(number, now))
	if p.Seq != wantSeq || v != want || reordered != wantReordered {
		t.Errorf("Match(%d, %d) = seq %d, verdict %d, reordered %v, want %d, %d, %v",
			number, now, p.Seq, v, reordered, wantSeq, want, wantReordered)
	}
}

// replyTo is one that came straight back.
func replyTo(number uint64, now clock.Mono) *Reply {
	return &Reply{Number: number, T2: clock.Wall(now), T4: clock.Wall(now), Read: now}
}

func wantExpired(t *testing.T, table *Table, now clock.Mono, want ...uint64) {
	t.Helper()
	for _, seq := range want {
		if p, ok := table.Expire(now); !ok || p.Seq != seq {
			t.Errorf("Expire(%d) = seq %d, %v, want %d, true", now, p.Seq, ok, seq)
		}
	}
	if p, ok := table.Expire(now); ok {
		t.Errorf("Expire(%d) = seq %d, want none", now, p.Seq)
	}
}

// countOutstanding counts them one by one.
func countOutstanding(table *Table) (n int) {
	for i := range table.probes {
		if table.probes[i].state == outstanding {
			n++
		}
	}
	return n
}

func TestFirstReplyIsFreshAndTheSecondIsADuplicate(t *testing.T) {
	table := NewTable(slowConfig())
	table.Add(5*ms, 77, 3)
	p, v, reordered := table.Match(replyTo(0, 8*ms))
	if p.Seq != 0 || p.Sent != 5*ms || p.T1 != 77 || p.Epoch != 3 || v != Fresh || reordered {
		t.Errorf("Match = %+v, %d, %v, want the probe as added, Fresh, in order", p, v, reordered)
	}
	wantMatch(t, table, 0, 9*ms, 0, Duplicate, false)
	if n := table.Outstanding(); n != 0 {
		t.Errorf("Outstanding = %d, want 0", n)
	}
}

func TestReplyAfterTheTimeoutIsLateOnceAndThenADuplicate(t *testing.T) {
	table := NewTable(slowConfig())
	mustAdd(t, table, 0)
	wantExpired(t, table, second, 0)
	wantMatch(t, table, 0, second+ms, 0, Late, false)
	wantMatch(t, table, 0, second+2*ms, 0, Duplicate, false)
}

func TestReplyToWhatWasNeverSentIsUnmatched(t *testing.T) {
	table := NewTable(slowConfig())
	wantMatch(t, table, 0, 0, 0, Unmatched, false)
	mustAdd(t, table, 0, 0)
	wantMatch(t, table, 2, ms, 0, Unmatched, false)
	wantMatch(t, table, 100, ms, 0, Unmatched, false)
	if n := table.Outstanding(); n != 2 {
		t.Errorf("Outstanding = %d, want 2", n)
	}
}

func TestNumberOutOfRangeIsUnmatched(t *testing.T) {
	for _, inOrder := range []bool{false, true} {
		config := slowConfig()
		config.InOrder = inOrder
		table := NewTable(config)
		startAt(table, 200)
		mustAdd(t, table, 0, 0, 0)
		for _, number := range []uint64{101, 102, 1 << 32, 1<<64 - 1} {
			wantMatch(t, table, number, ms, 0, Unmatched, false)
		}
	}
}

func TestReplyAfterThatOfALaterProbeIsReordered(t *testing.T) {
	table := NewTable(slowConfig())
	mustAdd(t, table, 0, 1, 2, 3)
	wantMatch(t, table, 2, ms, 2, Fresh, false)
	wantMatch(t, table, 0, ms, 0, Fresh, true)
	wantMatch(t, table, 0, ms, 0, Duplicate, false)
	wantMatch(t, table, 1, ms, 1, Fresh, true)
	wantMatch(t, table, 3, ms, 3, Fresh, false)
}

func TestLateReplyIsReorderedIfALaterProbeWasAnsweredBefore(t *testing.T) {
	table := NewTable(slowConfig())
	mustAdd(t, table, 0, 100*ms)
	wantExpired(t, table, second, 0)
	wantMatch(t, table, 1, second, 1, Fresh, false)
	wantMatch(t, table, 0, second+ms, 0, Late, true)
}

func TestNumbersWrap(t *testing.T) {
	for _, numbers := range []uint64{textNumbers, stampNumbers} {
		table := NewTable(Config{Numbers: numbers, Timeout: time.Second, Interval: 100 * time.Millisecond})
		startAt(table, numbers-2)
		for i, want := range []uint64{numbers - 2, numbers - 1, 0, 1} {
			seq, number := table.Next()
			if seq != numbers-2+uint64(i) || uint32(number) != uint32(want) {
				t.Errorf("of %d numbers: Next = %d, %d, want %d, %d", numbers, seq, number, numbers-2+uint64(i), want)
			}
			mustAdd(t, table, clock.Mono(i)*100*ms)
		}
		wantMatch(t, table, numbers-1, 301*ms, numbers-1, Fresh, false)
		wantMatch(t, table, 1, 302*ms, numbers+1, Fresh, false)
		wantMatch(t, table, 0, 303*ms, numbers, Fresh, true)
		wantMatch(t, table, 2, 303*ms, 0, Unmatched, false)
	}
}

func TestProbeExpiresExactlyAtTheTimeout(t *testing.T) {
	table := NewTable(slowConfig())
	mustAdd(t, table, 5)
	wantExpired(t, table, 5+second-1)
	wantExpired(t, table, 5+second, 0)
	if n := table.Outstanding(); n != 0 {
		t.Errorf("Outstanding = %d, want 0", n)
	}
}

func TestProbesExpireInTheOrderTheyWereSent(t *testing.T) {
	table := NewTable(slowConfig())
	mustAdd(t, table, 0, 100*ms, 200*ms, 300*ms, 400*ms)
	wantMatch(t, table, 1, 401*ms, 1, Fresh, false)
	wantMatch(t, table, 3, 401*ms, 3, Fresh, false)
	wantExpired(t, table, second+200*ms, 0, 2)
	wantExpired(t, table, second+400*ms, 4)
}

func TestFirstReplyIsForAProbeThatStillWaits(t *testing.T) {
	config := textConfig()
	config.Hold = false
	table := NewTable(config)
	for i := range clock.Mono(textNumbers + 1) { // two of number 0
		mustAdd(t, table, i*ms)
	}
	if p, ok := table.Unreachable(0, 102*ms); !ok || p.Seq != textNumbers {
		t.Errorf("Unreachable(0) = seq %d, %v, want %d, true", p.Seq, ok, textNumbers)
	}
	wantMatch(t, table, 0, 103*ms, 0, Fresh, false)
}

func TestUnreachableLosesTheProbeOnce(t *testing.T) {
	table := NewTable(slowConfig())
	mustAdd(t, table, 0, 0)
	if p, ok := table.Unreachable(1, ms); !ok || p.Seq != 1 {
		t.Errorf("Unreachable(1) = seq %d, %v, want 1, true", p.Seq, ok)
	}
	for _, number := range []uint64{1, 2, 101} {
		if p, ok := table.Unreachable(number, ms); ok {
			t.Errorf("Unreachable(%d) = seq %d, want none", number, p.Seq)
		}
	}
	wantExpired(t, table, second, 0)
	wantMatch(t, table, 1, second, 1, Late, false)
}

func TestAbandonLosesAllAndForgetsTheirReplies(t *testing.T) {
	config := textConfig()
	config.InOrder = true
	table := NewTable(config)
	mustAdd(t, table, 0, ms, 2*ms)
	wantMatch(t, table, 0, 3*ms, 0, Fresh, false)
	for _, want := range []uint64{1, 2} {
		if p, ok := table.Abandon(); !ok || p.Seq != want {
			t.Errorf("Abandon = seq %d, %v, want %d, true", p.Seq, ok, want)
		}
	}
	if p, ok := table.Abandon(); ok {
		t.Errorf("Abandon = seq %d, want none", p.Seq)
	}
	mustAdd(t, table, 4*ms) // over the next connection
	wantMatch(t, table, 1, 5*ms, 0, Unmatched, false)
	wantMatch(t, table, 3, 5*ms, 3, Fresh, false)
}

func TestTransmitTimeBeforeT1IsRefused(t *testing.T) {
	table := NewTable(slowConfig())
	table.Add(0, 1000, 0)
	tests := []struct {
		name string
		seq  uint64
		at   clock.Wall
		want bool
	}{
		{"before T1", 0, 999, false},
		{"of a probe never sent", 1, 1001, false},
		{"of a probe far away that shares the place", uint64(table.Cap()), 1001, false},
		{"at T1", 0, 1000, true},
		{"after T1", 0, 1500, true},
	}
	for _, tt := range tests {
		if got := table.Transmitted(tt.seq, tt.at); got != tt.want {
			t.Errorf("%s: Transmitted(%d, %d) = %v, want %v", tt.name, tt.seq, tt.at, got, tt.want)
		}
	}
	if p, _, _ := table.Match(replyTo(0, ms)); p.Transmitted != 1500 {
		t.Errorf("Transmitted of the answered probe = %d, want 1500", p.Transmitted)
	}
}

func TestLookupFindsOutstandingProbesOnly(t *testing.T) {
	table := NewTable(slowConfig())
	mustAdd(t, table, 0, 0)
	table.Match(replyTo(0, ms))
	if p, ok := table.Lookup(1); !ok || p.Seq != 1 {
		t.Errorf("Lookup(1) = seq %d, %v, want 1, true", p.Seq, ok)
	}
	for _, seq := range []uint64{0, 2} {
		if _, ok := table.Lookup(seq); ok {
			t.Errorf("Lookup(%d) finds a probe, want none", seq)
		}
	}
}

func TestFullTableRefusesProbesUntilTheOldestIsSettled(t *testing.T) {
	table := NewTable(slowConfig())
	added := 0
	for table.Add(clock.Mono(added), 0, 0) {
		added++
	}
	if added != table.Cap() || table.Outstanding() != added {
		t.Errorf("%d probes added, %d outstanding, want %d", added, table.Outstanding(), table.Cap())
	}
	if seq, _ := table.Next(); seq != uint64(added) {
		t.Errorf("Next after a refused Add = %d, want %d", seq, added)
	}
	table.Match(replyTo(1, ms)) // not the oldest
	if table.Add(ms, 0, 0) {
		t.Error("Add in place of a probe that is outstanding is taken")
	}
	table.Match(replyTo(0, ms))
	if !table.Add(ms, 0, 0) {
		t.Error("Add after the oldest was settled is refused")
	}
}

// The table has room for every probe in flight even if Expire comes as late as Slack allows and the
// last probe left early relative to the first.
func TestTableHasRoomForTheTimeoutAndTheSlack(t *testing.T) {
	for _, timeout := range []time.Duration{time.Millisecond, 999 * time.Millisecond, 1021 * time.Millisecond, 1022 * time.Millisecond} {
		config := Config{Numbers: stampNumbers, Timeout: timeout, Interval: time.Millisecond, Slack: 3 * time.Millisecond}
		table := NewTable(config)
		end := clock.Mono(timeout + config.Slack)
		mustAdd(t, table, ms/2)
		for at := ms; at <= end+ms/2; at += ms {
			mustAdd(t, table, at)
		}
	}
}

// However the sizes fall, a probe is remembered for as long as another timeout or wrap of the numbers.
func TestLostProbesAreRememberedForAWhile(t *testing.T) {
	for _, probes := range []int{1, 2, 6, 1021, 1022, 1023} { // in flight; powers of two and their neighbours
		for _, numbers := range []uint64{textNumbers, stampNumbers} {
			timeout := time.Duration(probes) * time.Millisecond
			table := NewTable(Config{Numbers: numbers, Timeout: timeout, Interval: time.Millisecond})
			while := int(min(uint64(probes), numbers-1))
			for at := range probes + while {
				mustAdd(t, table, clock.Mono(at)*ms)
				table.Expire(clock.Mono(at) * ms)
			}
			if p := table.at(0); p == nil || p.state != lost {
				t.Errorf("of %d numbers, %d probes after the timeout of %v the first is %+v, want lost", numbers, while, timeout, p)
			}
		}
	}
}

func TestReadyHoldsBackUntilTheFirstAnswer(t *testing.T) {
	table := NewTable(textConfig())
	for i := range textNumbers {
		if !table.Ready() {
			t.Fatalf("not ready after %d probes", i)
		}
		mustAdd(t, table, clock.Mono(i)*ms)
	}
	if table.Ready() {
		t.Errorf("ready with all %d numbers in flight and none answered", textNumbers)
	}
	wantExpired(t, table, second, 0)
	if !table.Ready() {
		t.Error("not ready though the oldest of the numbers is free again")
	}
	mustAdd(t, table, second)
	table.Match(replyTo(1, second))
	for i := range 300 {
		if !table.Ready() {
			t.Fatalf("not ready %d probes after the first answer", i)
		}
		mustAdd(t, table, second+clock.Mono(i)*ms)
	}
}

func TestReadyDoesNotHoldBackWithoutNeed(t *testing.T) {
	inOrder, loose := textConfig(), textConfig()
	inOrder.InOrder = true
	loose.Hold = false
	for _, config := range []Config{inOrder, loose} {
		table := NewTable(config)
		for i := range table.Cap() {
			if !table.Ready() {
				t.Fatalf("in order %v, hold %v: not ready after %d probes, want %d", config.InOrder, config.Hold, i, table.Cap())
			}
			mustAdd(t, table, clock.Mono(i)*ms)
		}
		if table.Ready() {
			t.Errorf("in order %v, hold %v: ready though full", config.InOrder, config.Hold)
		}
	}
}

func TestDuplicateIsNotTakenForAnotherProbeOfItsNumber(t *testing.T) {
	table := NewTable(textConfig())
	for at := range clock.Mono(300) {
		mustAdd(t, table, at*ms)
		if at >= 20 { // round trip of 20 ms, each reply twice
			want := uint64(at - 20)
			wantMatch(t, table, want%textNumbers, at*ms, want, Fresh, false)
			wantMatch(t, table, want%textNumbers, at*ms+1, want, Duplicate, false)
		}
	}
}

func TestReplyAfterTheTimeoutLosesAProbeThatNobodyDeclaredLost(t *testing.T) {
	const t1 = clock.Wall(1000 * second)
	tests := []struct {
		name        string
		transmitted clock.Wall
		reply       Reply // times since T1 and since it was sent
		want        Verdict
	}{
		{"just in time", 0, Reply{T4: clock.Wall(second) - 1, Read: second - 1}, Fresh},
		{"as old as the timeout", 0, Reply{T4: clock.Wall(second), Read: second}, Overdue},
		{"in time, but read late", 0, Reply{T4: clock.Wall(ms), Read: 3 * second}, Fresh},
		{"late after T1, not after it was transmitted", t1 + clock.Wall(ms), Reply{T4: clock.Wall(second), Read: second}, Fresh},
		{"without a timestamp", 0, Reply{T4: -t1, Read: second}, Overdue},
		{"after our clock was set back", 0, Reply{T4: -clock.Wall(second), Epoch: 1, Read: second}, Overdue},
		{"after our clock was set on", 0, Reply{T4: clock.Wall(9 * second), Epoch: 1, Read: ms}, Fresh},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table := NewTable(slowConfig())
			table.Add(0, t1, 0)
			if tt.transmitted != 0 {
				table.Transmitted(0, tt.transmitted)
			}
			tt.reply.T4 += t1
			if p, v, _ := table.Match(&tt.reply); p.Seq != 0 || v != tt.want {
				t.Errorf("Match = seq %d, verdict %d, want 0, %d", p.Seq, v, tt.want)
			}
			if n := table.Outstanding(); n != 0 {
				t.Errorf("Outstanding = %d, want 0", n)
			}
			wantExpired(t, table, 5*second)
			if _, v, _ := table.Match(&tt.reply); v != Duplicate {
				t.Errorf("Match again = verdict %d, want Duplicate", v)
			}
		})
	}
}
