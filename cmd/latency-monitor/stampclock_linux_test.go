package main_test

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// A daemon that does nothing else tells every ten seconds how far the kernel says that the clock of its
// host may be off, and warns once if that is too far.
func TestErrorOfTheHostsClockIsPublished(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testErrorOfTheHostsClockIsPublished)
}

func testErrorOfTheHostsClockIsPublished(t *testing.T, m mode) {
	config, _, _ := onLoopback(t)
	before := readClock(t)
	p := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: config})
	p.waitPoints(2, "host.clock.error")
	after := readClock(t)
	out, c := p.stop()

	checkPrinted(out, c)
	values := out.values("host.clock.error", "source:a", "target:a")
	if len(values) != len(out.points) {
		t.Errorf("points %v, want none but host.clock.error of a", out.points)
	}
	// The kernel's bound grows by 500 ppm, and falls when the clock is compared with another.
	const growth = int64(10 * time.Millisecond)
	most := max(maxError(before), maxError(after)) + growth
	if before.Maxerror == after.Maxerror { // as of a clock that was never set
		most = maxError(before)
	}
	if least := min(maxError(before), maxError(after)); slices.Min(values) < min(least, growth) || slices.Max(values) > most {
		t.Errorf("host.clock.error is %v, want what adjtimex has: %d before, %d after", values, maxError(before), maxError(after))
	}
	if gap := time.Duration(out.points[1].Time - out.points[0].Time); gap < 9900*time.Millisecond {
		t.Errorf("points %v apart, want 10 s", gap)
	}
	bad := 0
	if before.Status&unix.STA_UNSYNC != 0 || maxError(before) > int64(time.Millisecond) {
		bad = 1
	}
	if after.Status&unix.STA_UNSYNC == before.Status&unix.STA_UNSYNC {
		wantLogged(t, out, map[string]int{" WARNING clock of this host is ": bad})
	}
}

func readClock(t *testing.T) unix.Timex {
	t.Helper()
	var c unix.Timex // reads and sets nothing
	if _, err := unix.Adjtimex(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

// maxError is maxerror in nanoseconds (adjtimex(2)).
func maxError(c unix.Timex) int64 { return int64(c.Maxerror) * int64(time.Microsecond) }
