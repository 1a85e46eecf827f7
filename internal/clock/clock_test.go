package clock

import (
	"testing"
	"time"
)

func TestMonoAdvancesWithTheWallClock(t *testing.T) {
	wall, mono := Now()
	for MonoNow() < mono.Add(time.Millisecond) {
	}
	wall2, mono2 := Now()
	if mono2 <= mono || wall2 < wall {
		t.Errorf("readings went from %d, %d to %d, %d", wall, mono, wall2, mono2)
	}
}

func TestNeverStaysNever(t *testing.T) {
	if got := Never.Add(time.Second); got != Never {
		t.Errorf("Never.Add = %d, want Never", got)
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	d := NewStepDetector()
	read := func() {
		_, _ = Now()
		_, _ = WallNow(), MonoNow()
		_ = d.Check()
	}
	if n := testing.AllocsPerRun(100, read); n != 0 {
		t.Errorf("reading the clocks allocates %v times, want 0", n)
	}
}

func TestStepDetector(t *testing.T) {
	type reading struct {
		wall Wall
		mono Mono
	}
	const second, millisecond = int64(time.Second), int64(time.Millisecond)
	tests := []struct {
		name      string
		readings  []reading // after the first (0, 0)
		wantSteps []time.Duration
	}{
		{
			"clocks that advance together are no step",
			[]reading{{Wall(second), Mono(second)}},
			[]time.Duration{0},
		},
		{
			"slewing by 500 ppm is no step",
			[]reading{{Wall(second + second/2000), Mono(second)}},
			[]time.Duration{0},
		},
		{
			"chrony's fastest slewing, forward and back, is no step",
			[]reading{
				{Wall(second + second/12), Mono(second)},
				{Wall(second + second/12 + millisecond + millisecond/12), Mono(second + millisecond)},
				{Wall(11*second + millisecond + millisecond/12 - 9*second/12), Mono(11*second + millisecond)},
			},
			[]time.Duration{0, 0, 0},
		},
		{
			"a step while chrony slews is seen",
			[]reading{
				{Wall(second + second/12), Mono(second)},
				{Wall(2*second + 2*second/12 + second/2), Mono(2 * second)},
				{Wall(2*second + 2*second/12 + second/2), Mono(2 * second)},
			},
			[]time.Duration{0, 500*time.Millisecond + time.Second/12},
		},
		{
			"a step of a millisecond between slots of a millisecond is seen",
			[]reading{
				{Wall(2 * millisecond), Mono(millisecond)},
				{Wall(2 * millisecond), Mono(millisecond)},
			},
			[]time.Duration{time.Millisecond},
		},
		{
			"a step forward is seen once",
			[]reading{
				{Wall(3 * second), Mono(second)},
				{Wall(3 * second), Mono(second)},
				{Wall(4 * second), Mono(2 * second)},
			},
			[]time.Duration{2 * time.Second, 0},
		},
		{
			"a step back is negative",
			[]reading{{0, Mono(second)}, {0, Mono(second)}},
			[]time.Duration{-time.Second},
		},
		{
			"a preemption between the two readings is no step",
			[]reading{
				{Wall(second), Mono(second + second/4)},
				{Wall(second + second/4), Mono(second + second/4)},
			},
			[]time.Duration{0},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			next := -1
			d := newStepDetector(func() (Wall, Mono) {
				next++
				if next == 0 {
					return 0, 0
				}
				return tt.readings[next-1].wall, tt.readings[next-1].mono
			})
			seen := uint32(0)
			for i, want := range tt.wantSteps {
				if got := d.Check(); got != want {
					t.Errorf("Check %d = %v, want %v", i, got, want)
				}
				if want != 0 {
					seen++
				}
			}
			if d.Epoch() != seen {
				t.Errorf("Epoch = %d, want %d", d.Epoch(), seen)
			}
		})
	}
}
