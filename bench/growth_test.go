package bench

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// growth is by how much a series of samples grew: the median of its last quarter less that of its second. The first
// is left out, in which a program still comes to its usual size, and medians do not see what is there for a moment.
func growth(series []float64) float64 {
	quarter := len(series) / 4
	return median(series[len(series)-quarter:]) - median(series[quarter:2*quarter])
}

// median of no samples is 0.
func median(series []float64) float64 {
	if len(series) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(series))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// slack is by how much a series may grow and still be flat: a share of its median in the second quarter, and a number
// beside it.
type slack struct{ share, number float64 }

func (s slack) of(series []float64) float64 {
	quarter := len(series) / 4
	return s.number + s.share*median(series[quarter:2*quarter])
}

// grows reports whether a series grew by more than the slack.
func grows(series []float64, s slack) bool { return growth(series) > s.of(series) }

func TestGrowthIsFoundAndNoiseIsNot(t *testing.T) {
	memory, number := slack{share: 0.02, number: 1e6}, slack{number: 1}
	noise := rand.New(rand.NewPCG(1, 2))
	tests := []struct {
		name  string
		slack slack
		at    func(i int) float64 // of 60 samples
		want  bool
	}{
		{"the same at all times", number, func(int) float64 { return 20 }, false},
		{"a counter that stays where it was", slack{}, func(int) float64 { return 12345 }, false},
		{"a counter that goes on by 1 in the end", slack{}, func(i int) float64 { return float64(12345 + i/50) }, true},
		{"one descriptor every ten samples", number, func(i int) float64 { return float64(20 + i/10) }, true},
		{"a descriptor that is there now and then", number, func(i int) float64 { return float64(20 + i%2) }, false},
		{"many descriptors for a moment near the end", number, func(i int) float64 { return 20 + 500*is(i == 57) }, false},
		{"memory with noise", memory, func(int) float64 { return 20e6 + 3e6*noise.Float64() }, false},
		{"memory that grows below noise", memory, func(i int) float64 { return 20e6 + 1e5*float64(i) + 3e6*noise.Float64() }, true},
		{"memory that grows in the first quarter only", memory, func(i int) float64 { return 20e6 - 1e6*float64(max(0, 15-i)) }, false},
		{"memory in the teeth of a garbage collector", memory, func(i int) float64 { return 20e6 + 1e6*float64(i%5) }, false},
		{"memory that shrinks", memory, func(i int) float64 { return 20e6 - 1e5*float64(i) }, false},
		{"a step in the second half", memory, func(i int) float64 { return 20e6 + 5e6*is(i > 40) }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var series []float64
			for i := range 60 {
				series = append(series, tt.at(i))
			}
			if got := grows(series, tt.slack); got != tt.want {
				t.Errorf("grows(%v) = %v with a growth of %v, want %v", series, got, growth(series), tt.want)
			}
		})
	}
}

func is(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
