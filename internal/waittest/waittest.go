// Package waittest waits, in tests, for what happens by itself: in another goroutine, process or host.
package waittest

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// Patience is how long a test waits for what must happen soon, before it fails: half a minute, which is long on a
// busy machine too. LM_TIMEOUT_FACTOR in the environment scales it.
func Patience() time.Duration {
	const usual = 30 * time.Second
	factor, err := strconv.ParseFloat(os.Getenv("LM_TIMEOUT_FACTOR"), 64)
	if err != nil || factor <= 0 {
		return usual
	}
	return time.Duration(factor * float64(usual))
}

// Until asks again and again whether the condition holds, and returns when it does. When patience is at an end, it
// ends the test, so it must be called on the test's own goroutine. What names the condition then.
//
// It is for what can only be asked for, such as counters, the state of the system, or other programs.
func Until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience())
	for pause := shortestPause; !condition(); pause = min(2*pause, longestPause) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", Patience(), what)
		}
		time.Sleep(pause)
	}
}

// The pauses between questions grow: most answers come at once, and who waits long should not take CPU time from
// those that he waits for.
const (
	shortestPause = 200 * time.Microsecond
	longestPause  = 10 * time.Millisecond
)
