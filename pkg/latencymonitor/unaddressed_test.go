package latencymonitor

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// Without a log nothing else tells that a target is not probed.
func TestStatsTellOfTargetsWithoutAnAddress(t *testing.T) {
	m, err := New(Options{Name: "m"})
	must(t, err)
	defer m.Close()
	var known atomic.Bool
	m.resolver.Lookup = func(context.Context, string, string) ([]netip.Addr, error) {
		if known.Load() {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
		return nil, errors.New("no such host")
	}
	_, err = m.AddUDPTarget("127.0.0.1")
	must(t, err)
	named, err := m.AddUDPTarget("host-c.example")
	must(t, err)
	gone, err := m.AddUDPTarget("host-d.example")
	must(t, err)
	unaddressed := func(want int) func() bool { return func() bool { return m.Stats().Unaddressed == want } }
	if !unaddressed(3)() {
		t.Errorf("before Start %d targets have no address, want 3", m.Stats().Unaddressed)
	}
	started(t, m)
	waittest.Until(t, "two names that can't be resolved", unaddressed(2))
	must(t, m.RemoveTarget(gone))
	waittest.Until(t, "one of them left", unaddressed(1))
	known.Store(true)
	waittest.Until(t, "an address for it", unaddressed(0))
	must(t, m.RemoveTarget(named))
	if s := m.Stats(); s.Unaddressed != 0 || s.Targets != 1 {
		t.Errorf("%d of %d targets have no address, want none of one", s.Unaddressed, s.Targets)
	}
}
