package datadog

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSketchIsExactEnough(t *testing.T) {
	values := []int64{0, 1, 63, 64, 127, 128, 129, 255, 256, 1_000_000, math.MaxInt64 - 1, math.MaxInt64}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		values = append(values, random.Int64()>>random.IntN(63))
	}
	for _, v := range values {
		for _, v := range []int64{v, -v, -v - 1} {
			got := middle(indexOf(v))
			if off := math.Abs(float64(got)-float64(v)) / math.Abs(float64(v)); off > 1.0/128 {
				t.Fatalf("%d is taken for %d, which is %.4f off, want 1/128 at most", v, got, off)
			}
			if v > -128 && v < 128 && got != v {
				t.Fatalf("%d is taken for %d", v, got)
			}
		}
	}
}

func TestSketchKeepsTheOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var s sketch
	for range 10_000 {
		s.add(random.Int64() - math.MaxInt64/2)
	}
	if !slices.IsSortedFunc(s, func(a, b bucket) int { return int(a.index) - int(b.index) }) {
		t.Error("buckets are not sorted")
	}
	for i := range 3711 { // that of the greatest
		if i := int16(i); middle(i) >= middle(i+1) || indexOf(middle(i)) != i || indexOf(middle(-i)) != -i {
			t.Fatalf("bucket %d: middle %d, index of that %d, next middle %d", i, middle(i), indexOf(middle(i)), middle(i+1))
		}
	}
}

func TestSketchCountsBeyondItsWidth(t *testing.T) {
	var s sketch
	for range 200_000 {
		s.add(5)
	}
	s.add(9)
	if got := s.rank(200_000); got != 5 {
		t.Errorf("rank 200000 = %d, want 5", got)
	}
	if got := s.rank(200_001); got != 9 {
		t.Errorf("rank 200001 = %d, want 9", got)
	}
}

// quantile99 is the definition.
func quantile99(values []int64) int64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(math.Ceil(float64(len(sorted)*99)/100))-1]
}

func TestSecondSumsUp(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	delays := func(n int) (values []int64) {
		for range n {
			values = append(values, int64(50_000*math.Exp(random.NormFloat64())))
		}
		return values
	}
	tests := []struct {
		name   string
		values []int64
	}{
		{"one value", []int64{282_072}},
		{"a negative one", []int64{-5}},
		{"zeros", make([]int64, 300)},
		{"99 values", delays(99)},
		{"100 values", delays(100)},
		{"1000 values", delays(1000)},
		{"100,000 values", delays(100_000)},
		{"both signs", append(delays(500), -7, -1e9, -1e6, 0)},
		{"the extremes", []int64{math.MaxInt64, math.MinInt64, math.MaxInt64, math.MinInt64, 0, 1, -1}},
		{"the least", []int64{math.MinInt64, math.MinInt64}},
		{"the greatest", []int64{math.MaxInt64, math.MaxInt64, math.MaxInt64}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s second
			sum := new(big.Int)
			for _, v := range tt.values {
				s.add(v, false)
				sum.Add(sum, big.NewInt(v))
			}
			if s.count != uint64(len(tt.values)) || s.min != slices.Min(tt.values) || s.max != slices.Max(tt.values) {
				t.Errorf("count, min, max = %d, %d, %d", s.count, s.min, s.max)
			}
			exact, _ := new(big.Rat).SetFrac(sum, big.NewInt(int64(len(tt.values)))).Float64()
			if math.Abs(s.mean()-exact) > math.Abs(exact)*1e-15 {
				t.Errorf("mean = %v, want %v", s.mean(), exact)
			}
			want := quantile99(tt.values)
			if off := math.Abs(float64(s.p99()) - float64(want)); off > math.Abs(float64(want))/128 {
				t.Errorf("p99 = %d, want %d", s.p99(), want)
			}
			if len(tt.values) < 100 && s.p99() != want {
				t.Errorf("p99 = %d, want %d: it is exact below 100 values", s.p99(), want)
			}
		})
	}
}

func TestSecondIsSmall(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var s second
	for range 1000 {
		s.add(int64(100_000*math.Exp(random.NormFloat64())), false)
	}
	if got := s.octets(); got > 2560 {
		t.Errorf("a second of 1000 probes takes %d octets, want 2.5 KiB at most", got)
	}
	t.Logf("a second of 1000 probes takes %d octets, %d buckets", s.octets(), len(s.values))
}
