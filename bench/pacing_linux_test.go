package bench

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// How long after its slot does a probe leave? Asked from outside: a daemon prints when it sent each probe, and its
// slots are known. By turns with it, under the same load: cyclictest, as what this machine can do at all, and
// time.Sleep, as what a Go program gets without effort.
func BenchmarkPacing(b *testing.B) {
	for _, p := range []pacing{
		{interval: time.Millisecond, targets: 1},
		{interval: time.Millisecond, targets: 1, busy: true},
		{interval: time.Millisecond, targets: 1, priority: 10},
		{interval: time.Millisecond, targets: 1, priority: 10, busy: true},
		{interval: time.Millisecond, targets: 100},
		{interval: time.Millisecond, targets: 100, busy: true},
		{interval: time.Millisecond, targets: 100, priority: 10},
		{interval: 100 * time.Microsecond, targets: 1},
		{interval: 100 * time.Microsecond, targets: 1, busy: true},
		{interval: 100 * time.Microsecond, targets: 100}, // a million probes a second: more than one CPU can send
	} {
		b.Run(p.name(), p.run)
	}
}

// pacing is one way to probe, and what else the machine does.
type pacing struct {
	interval time.Duration
	targets  int
	priority int // of SCHED_FIFO; 0: none
	busy     bool
}

func (p pacing) name() string {
	load := "idle"
	if p.busy {
		load = "busy"
	}
	return fmt.Sprintf("interval=%vms/targets=%d/priority=%d/load=%s", p.interval.Seconds()*1000, p.targets, p.priority, load)
}

func (p pacing) run(b *testing.B) {
	if p.priority > 0 && os.Geteuid() != 0 {
		b.Skip("needs root, for a real-time priority")
	}
	missing := cyclictestNeeds()
	if missing != "" {
		b.Log("without the machine's own limit: cyclictest needs ", missing)
	}
	var late, idle paced
	var limit, slept pace
	for range turns {
		p.daemon(b, p.busy, &late)
		if p.busy {
			p.daemon(b, false, &idle)
		}
		p.beside(b, missing == "", &limit, &slept)
	}
	p.report(b, &late, &limit, &slept)
	if p.busy {
		b.ReportMetric(100*late.exporting.Seconds()/span.Seconds(), "exporter-cpu-%")
		b.ReportMetric(idle.quantile(0.99), "idle-late-p99-ns")
		b.ReportMetric(late.quantile(0.99)/idle.quantile(0.99), "p99-busy/idle")
	}
}

func (p pacing) report(b *testing.B, late *paced, limit, slept *pace) {
	reportQuantiles(b, "late", late.waits)
	b.ReportMetric(float64(late.skipped), "skipped")
	b.ReportMetric(late.perSlot(), "skipped/slot")
	b.ReportMetric(late.lost/late.sent, "lost/probe")
	reportQuantiles(b, "sleep", slept.waits)
	if len(limit.waits) == 0 {
		return
	}
	reportQuantiles(b, "cyclictest", limit.waits)
	b.ReportMetric(limit.perSlot(), "cyclictest-missed/slot")
	b.ReportMetric(late.quantile(0.5)/limit.quantile(0.5), "p50-late/cyclictest")
	b.ReportMetric(late.quantile(0.99)/limit.quantile(0.99), "p99-late/cyclictest")
}

// share is how long one turn takes.
func share() time.Duration { return *span / turns }

// paced is a pace that a daemon kept.
type paced struct {
	pace
	exporting  time.Duration // CPU time of the process that exports
	sent, lost float64
}

// daemon measures for one turn when a daemon sends to its targets, all of them one other daemon.
func (p pacing) daemon(b *testing.B, loaded bool, late *paced) {
	b.Helper()
	port := freePort(b)
	reflector := start(b, spec{name: "reflector", config: answering(port) + scraped(listenAddress(b))})
	to := targets{p.targets, p.interval, port}
	d := p.start(b, to.config(), loaded)
	d.waitLogs(" speaks STAMP", p.targets)
	time.Sleep(warmUp)
	began := processCPU(b, d.cmd.Process.Pid)
	measured := during(share())
	late.exporting += processCPU(b, d.cmd.Process.Pid) - began
	c := d.stop()
	reflector.stop()
	late.sent += c["slots_sent"]
	late.lost += c["lost"]
	if n := c["ring_dropped"] + c["export_dropped"]; n > 0 {
		b.Logf("%v points are missing, whose slots seem skipped", n)
	}
	to.pace(d.daemon, measured, &late.pace)
}

// beside measures for one turn each how late others wake up. If there is a load, it is the same, with a daemon that
// has no targets in the place of the one that is measured.
func (p pacing) beside(b *testing.B, cyclic bool, limit, slept *pace) {
	b.Helper()
	if p.busy {
		d := p.start(b, "", true)
		defer d.stop()
		time.Sleep(warmUp)
	}
	if cyclic {
		cyclictest(b, p.interval, share(), p.priority, limit)
	}
	sleepLoop(p.interval, share(), slept)
}

// loadedDaemon is a daemon, and what keeps it busy.
type loadedDaemon struct {
	*daemon
	unload func()
}

// stop ends the load first, so that no point is dropped at the end.
func (d loadedDaemon) stop() counters {
	d.b.Helper()
	d.unload()
	return d.daemon.stop()
}

// start starts the daemon that is measured, under load or not.
func (p pacing) start(b *testing.B, targets string, loaded bool) loadedDaemon {
	b.Helper()
	port, listen := freePort(b), listenAddress(b)
	config := answering(port) + every(p.interval) + p.engine() + printed + roomy + scraped(listen) + roomy + targets
	d := loadedDaemon{start(b, spec{name: "measured", config: config}), func() {}}
	if loaded {
		d.unload = busy(b, port, listen)
	}
	return d
}

// roomy lets points wait while the CPUs do other things: those that are dropped could not be told from slots that are.
const roomy = "buffer = 1000000\n"

// engine has a larger ring than by default where there are many points, for the same reason.
func (p pacing) engine() string {
	toml := fmt.Sprintf("[engine]\nrealtime_priority = %d\n", p.priority)
	if p.targets > 1 {
		toml += "ring_size = 1048576\n"
	}
	return toml
}
