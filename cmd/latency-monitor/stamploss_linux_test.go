package main_test

import (
	"slices"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// direction is a way on which losses are injected, and what must come of that.
type direction struct {
	name         string
	match        []string // of the packets that go this way
	at           func(l *netnstest.Link) *netnstest.Host
	shown, other string // metric of this direction, and of the other
}

func directions() []direction {
	return []direction{
		{"forward", []string{"-p", "udp", "--dport", "8001"}, func(l *netnstest.Link) *netnstest.Host { return l.B.Host },
			"udp.wan.loss.forward", "udp.wan.loss.backward"},
		{"backward", []string{"-p", "udp", "--sport", "8001"}, func(l *netnstest.Link) *netnstest.Host { return l.A.Host },
			"udp.wan.loss.backward", "udp.wan.loss.forward"},
	}
}

// lossTest is two daemons with a session in STAMP between them.
type lossTest struct {
	*testing.T
	direction
	family family
	link   *netnstest.Link
	a, b   *process

	skipped int // slots of the prober, once it has ended
}

// eachLoss runs a test for losses in each direction over each family.
func eachLoss(t *testing.T, m mode, config string, test func(t *lossTest)) {
	for _, d := range directions() {
		for _, f := range families() {
			t.Run(d.name+" over "+f.name, func(t *testing.T) {
				t.Parallel()
				l := &lossTest{T: t, direction: d, family: f, link: twoHosts(t)}
				l.b = start(t, spec{mode: m, on: l.link.B.Host, name: "b", config: receive})
				l.a = start(t, spec{mode: m, on: l.link.A.Host, name: "a", config: probeUDP(f.addr(l.link.B), 10, 1) + config})
				l.a.waitLogged(1, stampUpgraded)
				l.a.waitMore(10, "udp.wan.rtt")
				test(l)
			})
		}
	}
}

func (t *lossTest) drop(loss netnstest.Loss) *netnstest.Drop {
	t.Helper()
	loss.IPv6, loss.Match = t.family.ipv6, t.match
	return t.at(t.link).Drop(t.T, loss)
}

// stop ends both daemons and checks that all losses went the way on which they were injected.
func (t *lossTest) stop(dropped int) (outA, outB *output) {
	t.Helper()
	t.a.wait("losses by direction", func(o *output) bool { return sum(o, t.shown) >= dropped })
	outA, countersA := t.a.stop()
	missing := 0
	if t.name == "forward" {
		missing = dropped
	}
	sent := countersA.of("slots_sent")
	t.skipped = countersA.of("slots_skipped")
	t.b.wait("all probes", func(o *output) bool { return o.counts["udp.wan.owd"]+sum(o, "udp.wan.loss") >= sent })
	outB, countersB := t.b.stop()

	checkProber(outA, countersA)
	checkPrinted(outB, countersB)
	countersA.want("stamp_fallbacks", 0, "late", 0, "lost", dropped, "lost_"+t.name, dropped)
	countersB.want("probes_missing", missing, "probes_late", 0, "probes_received", sent-missing)
	for metric, want := range map[string]int{t.shown: dropped, t.other: 0, "udp.wan.loss": dropped} {
		if got := sum(outA, metric); got != want {
			t.Errorf("%s at the prober is %d in all, want %d, as many as were dropped", metric, got, want)
		}
	}
	if got := sum(outB, "udp.wan.loss"); got != missing {
		t.Errorf("udp.wan.loss at the receiver is %d in all, want %d", got, missing)
	}
	return outA, outB
}

// sum is the sum of the values of a metric.
func sum(o *output, metric string) int {
	n := 0
	for _, p := range o.points {
		if p.Metric == metric {
			n += int(p.Value)
		}
	}
	return n
}

// One in seven is dropped in one direction only: just so many are lost there, none in the other.
func TestLossesInOneDirectionAreCountedThere(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testLossesInOneDirectionAreCountedThere)
}

func testLossesInOneDirectionAreCountedThere(t *testing.T, m mode) {
	eachLoss(t, m, "", func(t *lossTest) {
		drop := t.drop(netnstest.Loss{Every: 7, First: 2})
		t.a.waitPoints(12, "udp.wan.loss")
		letThrough(t.T, t.at(t.link), t.family.ipv6)
		dropped := drop.Dropped(t.T)
		t.a.waitMore(60, "udp.wan.rtt") // what was dropped last is lost, and the next replies came
		t.stop(dropped)
	})
}

// All is lost in one direction for more than two seconds: each loss is told in the second in which its
// probe was sent, by both ends.
func TestBurstOfLossesIsToldWhenItHappened(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testBurstOfLossesIsToldWhenItHappened)
}

func testBurstOfLossesIsToldWhenItHappened(t *testing.T, m mode) {
	const burst = 2300 * time.Millisecond
	eachLoss(t, m, "max_lost = 100000\n", func(t *lossTest) {
		o := outage{from: time.Now()}
		drop := t.drop(netnstest.Loss{Every: 1})
		o.began = time.Now()
		t.a.wait("losses for more than two seconds", func(o *output) bool { return lasts(o, "udp.wan.loss") >= burst })
		o.ended = time.Now()
		letThrough(t.T, t.at(t.link), t.family.ipv6)
		o.until = time.Now()
		dropped := drop.Dropped(t.T)
		t.a.waitMore(60, "udp.wan.rtt")
		outA, outB := t.stop(dropped)

		lost := lossesBySecond(outA, "udp.wan.loss")
		t.checkEach("udp.wan.loss at the prober", lost, o)
		// Of a long outage the prober forgets when the first losses were.
		t.checkWithin(t.shown, lossesBySecond(outA, t.shown), o)
		if t.name == "forward" {
			t.checkReceiver(lossesBySecond(outB, "udp.wan.loss"), lost, o)
		}
	})
}

// second is how many losses there were in a second since the epoch.
type second struct{ at, losses int64 }

func lossesBySecond(o *output, metric string) []second {
	var seconds []second
	for _, p := range o.points {
		if p.Metric != metric {
			continue
		}
		at := p.Time / int64(time.Second)
		i, found := slices.BinarySearchFunc(seconds, at, func(s second, at int64) int { return int(s.at - at) })
		if !found {
			seconds = slices.Insert(seconds, i, second{at: at})
		}
		seconds[i].losses += p.Value
	}
	return seconds
}

// outage is a time in which all is lost: from began to ended at least, from and until at most, because it takes a
// while to begin and to end one.
type outage struct{ from, began, ended, until time.Time }

// checkWithin checks that there were no losses before or after the outage.
func (t *lossTest) checkWithin(metric string, seconds []second, o outage) {
	t.Helper()
	if len(seconds) == 0 || seconds[0].at < o.from.Unix() || seconds[len(seconds)-1].at > o.until.Unix() {
		t.Errorf("%s by second is %v, want some from %d to %d, and none else", metric, seconds, o.from.Unix(), o.until.Unix())
	}
}

// checkEach also checks that there were losses in each second of the outage, but for the first and the
// last, which it may barely touch.
func (t *lossTest) checkEach(metric string, seconds []second, o outage) {
	t.Helper()
	t.checkWithin(metric, seconds, o)
	for at := o.began.Unix() + 1; at < o.ended.Unix(); at++ {
		if in(seconds, at) == 0 {
			t.Errorf("%s by second is %v, want some in the second %d", metric, seconds, at)
		}
	}
}

// in is how many losses there were in a second.
func in(seconds []second, at int64) int64 {
	for _, s := range seconds {
		if s.at == at {
			return s.losses
		}
	}
	return 0
}

// checkReceiver checks the receiver's losses against those of the prober, which knows when it sent each
// probe. What the receiver knows is when those before and after the gap were sent.
func (t *lossTest) checkReceiver(got, want []second, o outage) {
	t.Helper()
	t.checkEach("udp.wan.loss at the receiver", got, o)
	for at := o.from.Unix(); at <= o.until.Unix(); at++ {
		// Slots that the prober skipped may be anywhere in the gap. And it may not begin with a slot.
		tolerance := int64(t.skipped + 2)
		if diff := in(got, at) - in(want, at); max(diff, -diff) > tolerance {
			t.Errorf("losses by second at the receiver: %v, want %v as at the prober, give or take %d", got, want, tolerance)
		}
	}
}
