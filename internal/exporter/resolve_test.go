package exporter_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

const reflectedID = measurement.ReflectedIDs + 5

// newPair makes an exporter with one ring and one backend.
func newPair(t *testing.T) (*exporter.Exporter, *backend, func(...measurement.Sample)) {
	t.Helper()
	r := newRing(t, 4096)
	b := &backend{name: "fake"}
	e := exporter.New(exporter.Config{Name: "us"})
	e.AddRing(r)
	e.AddBackend(b, exporter.Pacing{})
	return e, b, func(s ...measurement.Sample) { push(t, r, s...) }
}

func TestNamesOfProbedSessions(t *testing.T) {
	e, b, push := newPair(t)
	tags := []string{"isp:local", "location:laptop"}
	addSession(t, e, measurement.Session{ID: 1, Source: "us", Target: "foo", Tags: tags})
	addSession(t, e, measurement.Session{ID: 2, Source: "us", Target: "bar"})
	tags[0] = "changed by the caller"
	push(metric(1, measurement.UDPRTT, 10), metric(2, measurement.TCPLatency, 20), metric(1, measurement.UDPRTT, 30))
	runOnce(t, e)

	got := b.got()
	if len(got) != 3 {
		t.Fatalf("%d points, want 3", len(got))
	}
	for i, want := range []struct {
		name  string
		tags  []string
		value int64
	}{
		{"udp.wan.rtt", []string{"source:us", "target:foo", "isp:local", "location:laptop"}, 10},
		{"tcp.wan.latency", []string{"source:us", "target:bar"}, 20},
		{"udp.wan.rtt", []string{"source:us", "target:foo", "isp:local", "location:laptop"}, 30},
	} {
		p := got[i]
		if p.Series.Name != want.name || !slices.Equal(p.Series.Tags, want.tags) || p.Value != want.value || p.Time != at {
			t.Errorf("point %d = %+v of %+v, want %+v", i, p, p.Series, want)
		}
	}
	if got[0].Series != got[2].Series {
		t.Error("one session and metric has two Series")
	}
}

func TestNamesOfReflectedSessions(t *testing.T) {
	tests := []struct {
		name, identity string
		wantTags       []string // nil: not usable
	}{
		{"with tags", "them|['isp:local', \"it's\"]", []string{"source:them", "target:us", "isp:local", "it's"}},
		{"with an empty list", "them|[]", []string{"source:them", "target:us"}},
		{"without a list", "them|", []string{"source:them", "target:us"}},
		{"without a bar", "them", nil},
		{"with a list that is none", "them|['", nil},
		{"empty", "", nil},
		{"of several records", "them|['" + strings.Repeat("x", 1000) + "']", []string{"source:them", "target:us", strings.Repeat("x", 1000)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRing(t, 4096)
			b := &backend{name: "fake"}
			e := exporter.New(exporter.Config{Name: "us"})
			e.AddRing(r)
			e.AddBackend(b, exporter.Pacing{})
			announce(t, r, reflectedID, tt.identity)
			push(t, r, metric(reflectedID, measurement.UDPOWD, 10))
			runOnce(t, e)

			c := e.Counters()
			if tt.wantTags == nil {
				if len(b.got()) != 0 || c.Invalid != 1 || c.Unresolved != 1 {
					t.Errorf("%d points, counters %+v, want none, 1 invalid, 1 unresolved", len(b.got()), c)
				}
				return
			}
			if len(b.got()) != 1 || !slices.Equal(b.got()[0].Series.Tags, tt.wantTags) || c.Lost() != 0 {
				t.Errorf("got %v, counters %+v, want one point with tags %q", b.got(), c, tt.wantTags)
			}
		})
	}
}

func TestEndForgetsAReflectedSession(t *testing.T) {
	r := newRing(t, 64)
	b := &backend{name: "fake"}
	e := exporter.New(exporter.Config{Name: "us"})
	e.AddRing(r)
	e.AddBackend(b, exporter.Pacing{})
	end := measurement.Sample{Session: reflectedID, Kind: measurement.KindEnd}
	announce(t, r, reflectedID, "them|")
	push(t, r, metric(reflectedID, measurement.UDPOWD, 1), end, metric(reflectedID, measurement.UDPOWD, 2), end)
	runOnce(t, e)
	if c := e.Counters(); len(b.got()) != 1 || c.Unresolved != 1 || c.Invalid != 1 {
		t.Errorf("%d points, counters %+v, want 1 before the end, 1 unresolved after, 1 end too many", len(b.got()), c)
	}
}

func TestRingsDoNotShareReflectedSessions(t *testing.T) {
	a, z := newRing(t, 64), newRing(t, 64)
	b := &backend{name: "fake"}
	e := exporter.New(exporter.Config{Name: "us"})
	e.AddRing(a)
	e.AddRing(z)
	e.AddBackend(b, exporter.Pacing{})
	announce(t, a, reflectedID, "from-a|")
	announce(t, z, reflectedID, "from-z|")
	push(t, a, metric(reflectedID, measurement.UDPOWD, 1))
	push(t, z, metric(reflectedID, measurement.UDPOWD, 2))
	runOnce(t, e)
	got := b.got()
	if len(got) != 2 || got[0].Series.Tags[0] != "source:from-a" || got[1].Series.Tags[0] != "source:from-z" {
		t.Errorf("got %v, want a point of each", got)
	}
}

func TestReflectedSessionsAreBounded(t *testing.T) {
	r := newRing(t, 64)
	b := &backend{name: "fake"}
	e := exporter.New(exporter.Config{MaxReflected: 2})
	e.AddRing(r)
	e.AddBackend(b, exporter.Pacing{})
	for i := range measurement.SessionID(3) {
		announce(t, r, reflectedID+i, "them|")
		push(t, r, metric(reflectedID+i, measurement.UDPOWD, 1))
	}
	announce(t, r, reflectedID, "them|['again']") // replaces
	push(t, r, metric(reflectedID, measurement.UDPOWD, 1))
	runOnce(t, e)
	if c := e.Counters(); len(b.got()) != 3 || c.Invalid != 1 || c.Unresolved != 1 {
		t.Errorf("%d points, counters %+v, want 3, 1 name refused, 1 unresolved", len(b.got()), c)
	}
}

func TestErrorOfTheHostsClockHasTheHostAtBothEnds(t *testing.T) {
	e, b, push := newPair(t)
	push(metric(0, measurement.HostClockError, 250_000), metric(0, measurement.HostClockError, 260_000))
	runOnce(t, e)
	got, c := b.got(), e.Counters()
	if len(got) != 2 || c.Lost() != 0 {
		t.Fatalf("%d points, counters %+v, want 2 and nothing lost", len(got), c)
	}
	want := fmt.Sprintf(`{"metric": "host.clock.error", "points": [[%d, 250000]], "tags": ["source:us", "target:us"]}`, at)
	if line := string(got[0].AppendJSON(nil)); line != want {
		t.Errorf("point is\n%s\nwant\n%s", line, want)
	}
	if got[0].Series != got[1].Series {
		t.Error("the host's clock has two Series")
	}
}

func TestMetricsOfBothDirections(t *testing.T) {
	e, b, push := newPair(t)
	addSession(t, e, measurement.Session{ID: 1, Source: "us", Target: "foo"})
	push(metric(1, measurement.UDPOWDForward, -5), metric(1, measurement.UDPOWDBackward, 7),
		metric(1, measurement.UDPLossForward, 2), metric(1, measurement.UDPLossBackward, 1))
	runOnce(t, e)
	type point struct {
		name  string
		value int64
	}
	var got []point
	for _, p := range b.got() {
		got = append(got, point{p.Series.Name, p.Value})
	}
	want := []point{{"udp.wan.owd.forward", -5}, {"udp.wan.owd.backward", 7}, {"udp.wan.loss.forward", 1},
		{"udp.wan.loss.forward", 1}, {"udp.wan.loss.backward", 1}}
	if !slices.Equal(got, want) {
		t.Errorf("points %v, want %v", got, want)
	}
}

func TestWhatCannotBeResolvedIsCounted(t *testing.T) {
	e, b, push := newPair(t)
	addSession(t, e, measurement.Session{ID: 1})
	push(
		metric(2, measurement.UDPRTT, 1),           // unresolved
		metric(0, measurement.UDPRTT, 1),           // unresolved
		metric(reflectedID, measurement.UDPOWD, 1), // unresolved
		metric(1, 0, 1),                            // no such metric
		metric(1, 200, 1),                          // no such metric
		metric(1, measurement.HostClockError, 1),   // of a session
		metric(reflectedID, measurement.HostClockError, 1),
		metric(0, measurement.UDPOWDForward, 1),       // unresolved
		metric(1, measurement.UDPLossForward, 0),      // nothing lost
		metric(1, measurement.UDPLoss, 0),             // nothing lost
		metric(1, measurement.UDPLoss, -5),            // nothing lost
		measurement.Sample{Session: 1},                // no kind
		measurement.Sample{Session: 1, Kind: 77},      // no such kind
		measurement.NewEvent(1, at, 0, 0),             // no such event
		measurement.NewEvent(2, at, 1, 0),             // unresolved
		measurement.NewEvent(reflectedID, at, 1, 0),   // of a session that has none
		measurement.Sample{Session: 1, Kind: 2},       // a name for a session that we probe
		measurement.Sample{Session: 1, Kind: 4},       // its end
		measurement.Sample{Session: 1 << 31, Kind: 4}, // the end of one that never was
	)
	runOnce(t, e)
	if c := e.Counters(); len(b.got()) != 0 || c.Unresolved != 5 || c.Invalid != 14 {
		t.Errorf("%d points, counters %+v, want none, 5 unresolved, 14 invalid", len(b.got()), c)
	}
}

func TestLostProbesBecomePoints(t *testing.T) {
	e, b, push := newPair(t)
	addSession(t, e, measurement.Session{ID: 1})
	push(metric(1, measurement.UDPLoss, 1), metric(1, measurement.TCPLoss, 3000), metric(1, measurement.UDPRTT, 7))
	runOnce(t, e)
	got := b.got()
	if len(got) != 3002 || got[3001].Value != 7 {
		t.Fatalf("%d points, want 1 + 3000 lost, then one of value 7", len(got))
	}
	for i, p := range got[:3001] {
		if p.Value != 1 || p.Time != at || !p.Series.Metric.Loss() {
			t.Fatalf("point %d = %+v, want a loss of value 1 at %d", i, p, at)
		}
	}
}

func TestLostProbesOfOneRecordAreBounded(t *testing.T) {
	const most = 1_000_000
	e, b, push := newPair(t)
	addSession(t, e, measurement.Session{ID: 1})
	push(metric(1, measurement.UDPLoss, 1<<40))
	runOnce(t, e)
	if c := e.Counters(); len(b.got()) != most || c.ExcessLost != 1<<40-most || c.Backends[0].Sent != most {
		t.Errorf("%d points, counters %+v, want %d points, the rest counted", len(b.got()), c, most)
	}
}

func TestIDsOfProbedSessionsAreChecked(t *testing.T) {
	e, _, _ := newPair(t)
	addSession(t, e, measurement.Session{ID: 1})
	for _, id := range []measurement.SessionID{0, 1, measurement.ReflectedIDs, 1<<32 - 1} {
		if err := e.AddSession(measurement.Session{ID: id}); err == nil {
			t.Errorf("AddSession with ID %d = nil, want an error", id)
		}
	}
}

func TestSessionIsRemovedAfterItsSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b, push := newPair(t)
		stop := start(e)
		addSession(t, e, measurement.Session{ID: 1})
		push(metric(1, measurement.UDPRTT, 1))
		e.RemoveSession(1)
		time.Sleep(time.Second)
		push(metric(1, measurement.UDPRTT, 2))
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if c := e.Counters(); len(b.got()) != 1 || b.got()[0].Value != 1 || c.Unresolved != 1 {
			t.Errorf("%d points, counters %+v, want the first sample only, 1 unresolved", len(b.got()), c)
		}
		addSession(t, e, measurement.Session{ID: 1}) // is free again
	})
}

func TestLossesLieBetweenTheFirstAndTheLast(t *testing.T) {
	for _, test := range []struct {
		name       string
		time, last int64
		count      int64
		want       []int64
	}{
		{"evenly", 1000, 1400, 5, []int64{1000, 1100, 1200, 1300, 1400}},
		{"as evenly as numbers are", 0, 10, 4, []int64{0, 3, 6, 10}},
		{"one", 7, 7, 1, []int64{7}},
		{"at one time", 7, 0, 3, []int64{7, 7, 7}},
		{"the last before the first", 7, 6, 2, []int64{7, 7}},
		{"farther apart than numbers are", math.MinInt64, math.MaxInt64, 2, []int64{math.MinInt64, math.MinInt64}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, b, push := newPair(t)
			addSession(t, e, measurement.Session{ID: 1})
			push(measurement.Sample{
				Session: 1, Kind: measurement.KindMetric, Metric: measurement.UDPLoss,
				Time: test.time, Value: test.count, T4: test.last,
			})
			runOnce(t, e)
			var got []int64
			for _, p := range b.got() {
				got = append(got, p.Time)
				if p.Value != 1 {
					t.Errorf("value %d, want 1", p.Value)
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("times %v, want %v", got, test.want)
			}
		})
	}
}
