package stamp

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestNewErrorEstimateTakesTheSmallestScale(t *testing.T) {
	tests := []struct {
		name       string
		bound      time.Duration
		scale      int
		multiplier int
	}{
		{"nothing", 0, 0, 1},
		{"negative", -time.Second, 0, 1},
		{"1 ns, 4.29 units", 1, 0, 5},
		{"59 ns, 253.4 units", 59, 0, 254},
		{"60 ns, 257.7 units", 60, 1, 129},
		{"1 ms, 4294967.3 units", time.Millisecond, 15, 132},
		{"1 s", time.Second, 25, 128},
		{"255/128 s", 255 * time.Second / 128, 25, 255},
		{"1 ns more", 255*time.Second/128 + 1, 26, 128},
		{"16 s, the most that adjtimex says", 16 * time.Second, 29, 128},
		{"68 years", 1 << 31 * time.Second, 56, 128},
		{"292 years", math.MaxInt64, 56, 128},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := NewErrorEstimate(tt.bound, NTP)
			if e.Scale() != tt.scale || e.Multiplier() != tt.multiplier || e.Synchronised() || e.Format() != NTP {
				t.Errorf("NewErrorEstimate(%v) = %#x, scale %d, multiplier %d, want %d, %d",
					tt.bound, uint16(e), e.Scale(), e.Multiplier(), tt.scale, tt.multiplier)
			}
		})
	}
}

func TestErrorEstimateKeepsFlagsApart(t *testing.T) {
	if e := NewErrorEstimate(1, PTP) | SyncBit; e != 0xc005 || !e.Synchronised() || e.Format() != PTP {
		t.Errorf("estimate with S and Z = %#x, want 0xc005", uint16(e))
	}
}

func TestErrorEstimateBoundIsNeverLessThanWhatWasSaid(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 100_000 {
		bound := time.Duration(rng.Int64N(1 << (1 + rng.IntN(60))))
		got := NewErrorEstimate(bound, NTP).Bound()
		if got < bound || got > bound+bound/128+1 {
			t.Fatalf("seed %d: bound %d ns comes back as %d", seed, bound, got)
		}
	}
}

func TestErrorEstimateBoundIsCappedByTheType(t *testing.T) {
	tests := []struct {
		estimate ErrorEstimate
		want     time.Duration
	}{
		{0x0001, 1},                     // 2^-32 s, rounded up
		{0x2001, time.Second},           // scale 32
		{0x3f01, 1 << 31 * time.Second}, // scale 63
		{0x3f04, 1 << 33 * time.Second}, // 272 years
		{0x3f05, math.MaxInt64},         // 340 years
		{0x3f08, math.MaxInt64},
		{0x3fff, math.MaxInt64},
		{0x2000, 0}, // multiplier 0, which decoding refuses
	}
	for _, tt := range tests {
		if got := tt.estimate.Bound(); got != tt.want {
			t.Errorf("Bound of %#x = %d, want %d", uint16(tt.estimate), got, tt.want)
		}
	}
}
