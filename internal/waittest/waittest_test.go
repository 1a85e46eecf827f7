package waittest

import (
	"testing"
	"time"
)

func TestPatienceIsScaled(t *testing.T) {
	for factor, want := range map[string]time.Duration{
		"": 30 * time.Second, "0.5": 15 * time.Second, "10": 5 * time.Minute,
		"0": 30 * time.Second, "-1": 30 * time.Second, "long": 30 * time.Second,
	} {
		t.Setenv("LM_TIMEOUT_FACTOR", factor)
		if got := Patience(); got != want {
			t.Errorf("LM_TIMEOUT_FACTOR=%s: %v, want %v", factor, got, want)
		}
	}
}

// failure is a test that ends, as far as Until can tell.
type failure struct {
	testing.TB
	ended bool
}

func (f *failure) Helper()               {}
func (f *failure) Fatalf(string, ...any) { f.ended = true; panic(f) }

func TestUntilAsksUntilTheConditionHoldsOrPatienceEnds(t *testing.T) {
	asked := 0
	Until(t, "asked three times", func() bool { asked++; return asked == 3 })
	if asked != 3 {
		t.Errorf("asked %d times, want 3", asked)
	}

	t.Setenv("LM_TIMEOUT_FACTOR", "0.0001")
	f := &failure{TB: t}
	defer func() {
		if recover() != f || !f.ended {
			t.Error("the test goes on without what it waits for")
		}
	}()
	Until(f, "the impossible", func() bool { return false })
}
