package bench

import (
	"fmt"
	"testing"
	"time"
)

// probeRate is how many probes a second there are in all, however many targets share them.
const probeRate = 1000

// What does a probe cost when many targets share 1000 of them a second? By turns with one target that gets all of
// them, in the same run: CPU per probe must not grow.
func BenchmarkScale(b *testing.B) {
	for _, count := range []int{1, 10, 100, 1000, 5000} {
		b.Run(fmt.Sprintf("targets=%d", count), func(b *testing.B) {
			var one, many scale
			for range scaleTurns {
				many.measure(b, count)
				if count > 1 {
					one.measure(b, 1)
				}
			}
			many.report(b)
			if count > 1 {
				b.ReportMetric(many.perProbe(many.probing)/one.perProbe(one.probing), "cpu/one-target")
				b.ReportMetric(many.perProbe(many.reflecting)/one.perProbe(one.reflecting), "reflector-cpu/one-target")
			}
		})
	}
}

// scaleTurns is how often both take turns. With 5000 targets each turn takes two intervals of 5 s at least.
const scaleTurns = 2

// scale is what was measured with one number of targets.
type scale struct {
	pace
	probing, reflecting time.Duration // of the CPU
	rss, reflectorRSS   int64
	counters            counters // of the prober in the last turn
}

// onlyStamp is because text has no session identifiers: there all targets would be one session to the one daemon that
// stands for them, whose sequence numbers make no sense.
const onlyStamp = "protocol = \"stamp\"\n"

// measure measures for one turn, after each target was probed at least once.
func (s *scale) measure(b *testing.B, count int) {
	b.Helper()
	to := targets{count, time.Duration(count) * time.Second / probeRate, freePort(b)}
	reflector := start(b, spec{name: "reflector", config: answering(to.port) + printed})
	prober := start(b, spec{name: "prober", config: answering(freePort(b)) + onlyStamp + every(to.interval) + printed + to.config()})
	time.Sleep(warmUp + to.interval)
	probing, reflecting := prober.cpu(), reflector.cpu()
	measured := during(max(*span/scaleTurns, to.interval))
	s.probing += prober.cpu() - probing
	s.reflecting += reflector.cpu() - reflecting
	s.rss, s.reflectorRSS = max(s.rss, prober.rss()), max(s.reflectorRSS, reflector.rss())
	s.counters = prober.stop()
	reflector.stop()
	to.pace(prober, measured, &s.pace)
}

// perProbe is in µs.
func (s *scale) perProbe(cpu time.Duration) float64 {
	return cpu.Seconds() * 1e6 / float64(max(1, len(s.waits)-s.skipped))
}

func (s *scale) report(b *testing.B) {
	reportQuantiles(b, "late", s.waits)
	b.ReportMetric(s.perSlot(), "skipped/slot")
	b.ReportMetric(s.counters["lost"]/s.counters["slots_sent"], "lost/probe")
	b.ReportMetric(s.perProbe(s.probing), "cpu-us/probe")
	b.ReportMetric(s.perProbe(s.reflecting), "reflector-cpu-us/probe")
	b.ReportMetric(float64(s.rss)/1e6, "rss-MB")
	b.ReportMetric(float64(s.reflectorRSS)/1e6, "reflector-rss-MB")
}
