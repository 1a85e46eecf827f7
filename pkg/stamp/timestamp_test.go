package stamp

import (
	"math/rand/v2"
	"testing"
	"time"
)

// someTime is 2026-11-22T18:03:00.625056238Z.
const someTime = 1795375380625056238

func TestTimestampsAreExactToTheNanosecond(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 100_000 {
		at := rng.Int64N(1 << 62)
		near := at + rng.Int64N(1<<60) - 1<<59 // 18 years
		tai := time.Duration(rng.IntN(2)) * 37 * time.Second
		for _, f := range []Format{NTP, PTP} {
			wire := f.Timestamp(at, tai)
			if got, err := f.UnixNanos(wire, near, tai); got != at || err != nil {
				t.Fatalf("seed %d: format %d: UnixNanos(Timestamp(%d) = %#x, %d, %v) = %d, %v",
					seed, f, at, wire, near, tai, got, err)
			}
		}
	}
}

func TestTimestampIsTheNearestFraction(t *testing.T) {
	tests := []struct {
		nanos int64
		want  Timestamp
	}{
		{0, 0x83aa7e80_00000000},
		{1, 0x83aa7e80_00000004},           // 4.29
		{2, 0x83aa7e80_00000009},           // 8.59
		{500_000_000, 0x83aa7e80_80000000}, // exact
		{999_999_999, 0x83aa7e80_fffffffc}, // 4294967291.7
		{-1, 0x83aa7e7f_fffffffc},
	}
	for _, tt := range tests {
		if got := NTP.Timestamp(tt.nanos, 0); got != tt.want {
			t.Errorf("NTP.Timestamp(%d) = %#x, want %#x", tt.nanos, got, tt.want)
		}
	}
}

// Other nodes write fractions that are no whole nanoseconds.
func TestUnixNanosRoundsToTheNearest(t *testing.T) {
	tests := []struct {
		wire Timestamp
		want int64
	}{
		{0x83aa7e80_00000002, 0}, // 0.47 ns
		{0x83aa7e80_00000003, 1}, // 0.70 ns
		{0x83aa7e80_ffffffff, 1_000_000_000},
	}
	for _, tt := range tests {
		if got, err := NTP.UnixNanos(tt.wire, 0, 0); got != tt.want || err != nil {
			t.Errorf("NTP.UnixNanos(%#x) = %d, %v, want %d", tt.wire, got, err, tt.want)
		}
	}
}

func TestUnixNanosTakesTheEraNearestToTheReference(t *testing.T) {
	era1 := time.Date(2036, 2, 7, 6, 28, 16, 0, time.UTC).UnixNano()
	ptp1 := time.Date(2106, 2, 7, 6, 28, 16, 0, time.UTC).UnixNano()
	tests := []struct {
		name   string
		format Format
		at     int64
		near   int64
	}{
		{"NTP, just before the wrap, seen just after", NTP, era1 - 1, era1 + 1000},
		{"NTP, just after the wrap, seen just before", NTP, era1, era1 - 1000},
		{"NTP, 60 years behind", NTP, someTime, someTime + 60*365*86400*nanosPerSecond},
		{"NTP, 60 years ahead", NTP, someTime + 60*365*86400*nanosPerSecond, someTime},
		{"PTP, just before the wrap, seen just after", PTP, ptp1 - 1, ptp1 + 1000},
		{"PTP, just after the wrap, seen just before", PTP, ptp1, ptp1 - 1000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wire := tt.format.Timestamp(tt.at, 0)
			if got, err := tt.format.UnixNanos(wire, tt.near, 0); got != tt.at || err != nil {
				t.Errorf("UnixNanos(%#x, %d) = %d, %v, want %d", wire, tt.near, got, err, tt.at)
			}
		})
	}
}

func TestUnixNanosRefusesASecondOfNanoseconds(t *testing.T) {
	if got, err := PTP.UnixNanos(1_000_000_000, 0, 0); err != ErrNanoseconds {
		t.Errorf("UnixNanos(10^9 ns) = %d, %v, want %v", got, err, ErrNanoseconds)
	}
	if got, err := PTP.UnixNanos(999_999_999, 0, 0); got != 999_999_999 || err != nil {
		t.Errorf("UnixNanos(10^9 - 1 ns) = %d, %v", got, err)
	}
}
