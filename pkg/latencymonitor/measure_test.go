package latencymonitor

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

func TestTwoMonitorsMeasureEachOther(t *testing.T) {
	each(t, func(t *testing.T, e Engine) {
		a, b := opened(t, "a", e), opened(t, "b", e)
		for _, way := range []struct{ from, to *Monitor }{{a, b}, {b, a}} {
			_, err := way.from.AddTarget(toward(way.to, 0))
			must(t, err)
		}
		gotA, gotB := listen(a), listen(b)
		started(t, a)
		started(t, b)
		for _, got := range []struct {
			*tally
			self, other string
		}{{gotA, "a", "b"}, {gotB, "b", "a"}} {
			for _, series := range []string{
				"udp.wan.rtt source:" + got.self + " target:" + got.other,
				"tcp.wan.rtt source:" + got.self + " target:" + got.other,
				"tcp.wan.latency source:" + got.self + " target:" + got.other,
				"udp.wan.owd source:" + got.other + " target:" + got.self,
				"tcp.wan.owd source:" + got.other + " target:" + got.self,
			} {
				waittest.Until(t, "200 points of "+series, func() bool { return got.of(series) >= 200 })
			}
		}
		must(t, a.Close())
		must(t, b.Close())
		<-gotA.ended
		<-gotB.ended
		checkProbes(t, a)
		checkProbes(t, b)
		if s := a.Stats(); s.MetricsDropped != 0 || s.Lateness.Count != s.Counters["slots_sent"] || s.Isolated != (e.Isolate != "") {
			t.Errorf("stats are %+v, want no metrics dropped, and the lateness of each slot", s)
		}
		t.Logf("a got\n%v\nlateness %+v", gotA, a.Stats().Lateness)
	})
}

// One that probes, one that answers: what the one sends, the other receives, and each publishes all.
func TestPointsAddUpAtBothEnds(t *testing.T) {
	each(t, func(t *testing.T, e Engine) {
		prober, receiver := opened(t, "prober", e), opened(t, "receiver", e)
		_, err := prober.AddTarget(toward(receiver, UDP))
		must(t, err)
		sent, received := listen(prober), listen(receiver)
		started(t, receiver)
		started(t, prober)
		waittest.Until(t, "2000 round trips", func() bool { return sent.of("udp.wan.rtt") >= 2000 })
		must(t, prober.Close())
		must(t, receiver.Close())
		<-sent.ended
		<-received.ended
		checkProbes(t, prober)
		p, r := prober.Stats().Counters, receiver.Stats().Counters
		t.Logf("%d slots sent, %d skipped, %d answered, %d lost", p["slots_sent"], p["slots_skipped"], p["answered"], p["lost"])
		// Each loss on loopback is of a queue that was full, which a loaded machine may bring about.
		if got := sent.of("udp.wan.rtt"); got != p["answered"]-p["ambiguous"]-p["samples_across_step"] {
			t.Errorf("%d RTTs published, want those of %d answered probes", got, p["answered"])
		}
		if got := sent.of("udp.wan.loss"); got != p["lost"] {
			t.Errorf("%d losses published, want %d", got, p["lost"])
		}
		if got, want := received.of("udp.wan.owd"), r["probes_received"]-r["probes_duplicate"]-r["samples_across_step"]; got != want {
			t.Errorf("%d one-way delays published, want those of %d probes", got, want)
		}
		if r["probes_received"]+r["queue_overflow"] != p["slots_sent"] {
			t.Errorf("%d probes received and %d dropped, want the %d sent", r["probes_received"], r["queue_overflow"], p["slots_sent"])
		}
	})
}

// Targets come and go, from several goroutines, beside one that stays.
func TestTargetsComeAndGoBesideOneThatStays(t *testing.T) {
	each(t, func(t *testing.T, e Engine) {
		a, b := opened(t, "a", e), opened(t, "b", e)
		_, err := a.AddTarget(toward(b, UDP))
		must(t, err)
		got := listen(a)
		started(t, b)
		started(t, a)
		var changing sync.WaitGroup
		for i := range 3 {
			changing.Go(func() { comeAndGo(t, a, toward(b, 0), got, i) })
		}
		changing.Wait()
		before := a.count("slots_sent")
		waittest.Until(t, "probes to the one that stays", func() bool { return a.count("slots_sent") >= before+100 })
		if s := a.Stats(); s.Targets != 1 || s.Sessions != 1 {
			t.Errorf("%d targets and %d sessions, want 1 and 1", s.Targets, s.Sessions)
		}
		must(t, a.Close())
		<-got.ended
		checkProbes(t, a)
		c := a.Stats().Counters
		points := got.of("udp.wan.rtt") + got.of("tcp.wan.rtt") + got.of("tcp.wan.latency")
		if points != c["answered"]-c["ambiguous"] {
			t.Errorf("%d RTTs published, want those of %d answered probes", points, c["answered"])
		}
		t.Logf("%d sent, %d answered, %d lost, %d abandoned", c["slots_sent"], c["answered"], c["lost"], c["abandoned"])
	})
}

// comeAndGo adds and removes targets, each of which is measured in between.
func comeAndGo(t *testing.T, m *Monitor, target Target, got *tally, worker int) {
	last := TargetID(0)
	for round := range 10 {
		target.Label = fmt.Sprintf("%d-%d", worker, round)
		id, err := m.AddTarget(target)
		if err != nil || id <= last {
			t.Errorf("AddTarget = %d, %v, want an ID above %d", id, err, last)
			return
		}
		last = id
		series := "udp.wan.rtt source:a target:" + target.Label
		for end := time.Now().Add(waittest.Patience()); got.of(series) == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("no points of %s", target.Label)
				return
			}
		}
		if err := m.RemoveTarget(id); err != nil {
			t.Error(err)
		}
	}
}

// A probe that is under way when its target is removed is neither answered nor lost.
func TestProbesOfARemovedTargetAreAbandoned(t *testing.T) {
	each(t, func(t *testing.T, e Engine) {
		silent, err := newSilent()
		must(t, err)
		defer silent.Close()
		m := opened(t, "m", e)
		started(t, m)
		id, err := m.AddTarget(Target{
			Host: "127.0.0.1", UDPPort: silent.port(), Interval: time.Millisecond, Timeout: time.Hour / 10, Transports: UDP,
		})
		must(t, err)
		waittest.Until(t, "50 probes", func() bool { return m.count("slots_sent") >= 50 })
		must(t, m.RemoveTarget(id))
		waittest.Until(t, "all of them abandoned", func() bool { return m.count("abandoned") == m.count("slots_sent") })
		began := time.Now()
		must(t, m.Close())
		if took := time.Since(began); took > waittest.Patience() {
			t.Errorf("Close took %v, want it to wait for no probe of the removed target", took)
		}
		checkProbes(t, m)
	})
}

func TestNameIsLookedUp(t *testing.T) {
	a, b := opened(t, "a", Engine{}), opened(t, "b", Engine{})
	target := toward(b, UDP)
	target.Host = "localhost"
	got := listen(a)
	started(t, b)
	started(t, a)
	id, err := a.AddTarget(target)
	must(t, err)
	waittest.Until(t, "round trips", func() bool { return got.of("udp.wan.rtt") > 0 })
	must(t, a.RemoveTarget(id))
	if _, err := a.AddTarget(target); err != nil {
		t.Errorf("adding the target again: %v", err)
	}
	unknown, err := a.AddUDPTarget("does-not-exist.invalid")
	must(t, err)
	must(t, a.RemoveTarget(unknown)) // while it is being looked up
	must(t, a.Close())
}
