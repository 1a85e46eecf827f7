package match

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// tape reads operations from the fuzzer's bytes; at the end it gives zeros.
type tape struct{ rest []byte }

func (t *tape) byte() byte {
	if len(t.rest) == 0 {
		return 0
	}
	b := t.rest[0]
	t.rest = t.rest[1:]
	return b
}

// duration is of any magnitude and sign.
func (t *tape) duration() time.Duration {
	v := int16(binary.BigEndian.Uint16([]byte{t.byte(), t.byte()}))
	return time.Duration(v) << (t.byte() % 42)
}

// number is mostly close to base, sometimes anything.
func (t *tape) number(base, numbers uint64) uint64 {
	b := t.byte()
	if b == 255 {
		return uint64(t.duration())
	}
	return (base + numbers - uint64(b)%min(numbers, 128)) % numbers
}

func FuzzTableKeepsCount(f *testing.F) {
	f.Add([]byte{0, 5, 0, 0, 1, 0, 0, 1, 1, 0, 2, 1, 3, 4, 5})
	f.Add([]byte("\x02\x30 adding and matching, expiring and abandoning"))
	f.Add([]byte("\x07\xff\x00\x00\x00\x00\x02\x7f\xff\x20\x03\x03\x03\x04\x01\x05\x05\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := &tape{data}
		options := in.byte()
		table := NewTable(Config{
			Numbers:  []uint64{1, 3, textNumbers, stampNumbers}[options&3],
			Timeout:  time.Duration(in.byte()) * time.Millisecond,
			Interval: time.Millisecond,
			InOrder:  options&4 != 0,
			Hold:     options&8 != 0,
		})
		var now clock.Mono
		sent, fresh, lost := 0, 0, 0
		for len(in.rest) > 0 {
			switch in.byte() % 8 {
			case 0, 1:
				now += ms
				if ready := table.Ready(); table.Add(now, clock.Wall(now), 0) {
					sent++
				} else if ready {
					t.Fatal("Ready, but Add is refused")
				}
			case 2:
				now = now.Add(in.duration())
			case 3, 4:
				before := table.Outstanding()
				p, v, _ := table.Match(&Reply{
					Number: in.number(table.next, table.config.Numbers), T2: clock.Wall(now.Add(in.duration())),
					T4: clock.Wall(now), Read: now.Add(in.duration()),
				})
				settles := v == Fresh || v == Overdue || v == Ambiguous
				if settles {
					fresh++
				}
				if settled := before != table.Outstanding(); settled != settles {
					t.Fatalf("verdict %d, but a probe settled: %v", v, settled)
				}
				if v != Unmatched && p.Seq >= table.next {
					t.Fatalf("reply to seq %d, which was never sent", p.Seq)
				}
			case 5:
				if _, ok := table.Expire(now); ok {
					lost++
				}
			case 6:
				if _, ok := table.Unreachable(in.number(table.next, table.config.Numbers), now); ok {
					lost++
				}
			case 7:
				if _, ok := table.Abandon(); ok {
					lost++
				}
				table.Transmitted(uint64(in.byte()), clock.Wall(now))
				table.Lookup(uint64(in.byte()))
			}
			if n := countOutstanding(table); n != table.Outstanding() || sent != fresh+lost+n {
				t.Fatalf("%d sent, %d fresh, %d lost; %d outstanding, but Outstanding = %d", sent, fresh, lost, n, table.Outstanding())
			}
			if table.oldest > table.next || table.expected > table.next || table.stale > table.next || table.next-table.oldest > uint64(table.Cap()) {
				t.Fatalf("oldest %d, expected %d, next %d of a table of %d", table.oldest, table.expected, table.next, table.Cap())
			}
		}
	})
}

func FuzzWindowKeepsCount(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 1, 20, 0, 2, 0, 1, 20, 0, 255, 1, 1, 1})
	f.Add([]byte("\x01 arriving and settling, arriving and settling"))
	f.Add([]byte("\x00\x00\x00\x7f\xff\x29\x00\x30\x00\x01\x00\x00\x60\x7f\xff\x29"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := &tape{data}
		r := newReceiver([]uint64{textNumbers, stampNumbers, 1, 2}[in.byte()&3])
		var at clock.Mono
		for len(in.rest) > 0 {
			if in.byte()%8 == 7 {
				r.lost += r.window.Settle(at, in.duration())
			} else {
				number := in.number(r.window.head+3, r.numbers)
				at += clock.Mono(in.duration())
				begun := r.window.begun
				_, v, _, lost := r.window.Arrive(number, clock.Wall(at.Add(in.duration())), at)
				r.lost += lost
				if v == Fresh {
					r.fresh++
				}
				if !begun {
					r.first = r.window.head
				}
			}
			r.last = r.window.head
			if sent := r.last - r.first + 1; r.window.begun && sent < r.fresh+r.lost+r.pending() {
				t.Fatalf("%d fresh + %d lost + %d pending, but only %d were sent", r.fresh, r.lost, r.pending(), sent)
			}
			if bound := lossesPerProbe * r.window.received; r.lost > bound {
				t.Fatalf("%d lost and %d received, want %d lost at most", r.lost, r.window.received, bound)
			}
			if r.window.Pending() != (r.window.begun && r.pending() > 0) {
				t.Fatalf("Pending = %v with %d pending", r.window.Pending(), r.pending())
			}
		}
	})
}
