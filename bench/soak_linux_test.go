package bench

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

// soak is how long BenchmarkSoak takes. `go test` ends what takes more than 10 minutes, unless it has -timeout 0.
var soak = flag.Duration("soak", 2*time.Minute, "how long a daemon has to stay as it is; 0 leaves that out")

// How much growth is none: see grows. Resident memory comes and goes with garbage; a descriptor, a thread or a
// goroutine may be under way when it is looked at. What the engine process allocates or collects is exact.
var slacks = map[string]slack{
	"rss": {share: 0.02, number: 1e6}, "descriptors": {number: 1}, "threads": {number: 1}, "goroutines": {number: 1},
	"engine-allocated": {}, "engine-collections": {},
}

// smallRings are gone round in 4 s at 1000 probes a second. Those of the default size take a minute, and become resident
// only meanwhile.
const smallRings = "[engine]\nring_size = 4096\n"

// Does a daemon stay as it is? A prober and a reflector work for -soak, over UDP at 1 ms and over TCP, established
// and not, at 10 ms. What their processes hold must be flat.
func BenchmarkSoak(b *testing.B) {
	if *soak == 0 {
		b.Skip("needs a -soak of more than 0")
	}
	udp, tcp := freePort(b), freePort(b)
	reflector := newSoaked(b, "reflector", fmt.Sprintf("udp_port = %d\ntcp_port = %d\n", udp, tcp), "")
	prober := newSoaked(b, "prober", fmt.Sprintf("udp_port = %d\ntcp_port = %d\n", freePort(b), freePort(b)),
		fmt.Sprintf("[[targets]]\nhost = \"127.0.0.1\"\ntype = \"udp\"\ninterval = 1\nudp_port = %d\nlabel = \"reflector\"\n", udp)+
			fmt.Sprintf("[[targets]]\nhost = \"127.0.0.1\"\ntype = \"tcp\"\ninterval = 10\ntcp_port = %d\nlabel = \"reflector\"\n", tcp))
	time.Sleep(warmUp)
	pause := min(5*time.Second, *soak/60)
	for began := time.Now(); time.Since(began) < *soak; time.Sleep(pause) {
		reflector.sample()
		prober.sample()
	}
	worst := map[string]float64{}
	reflector.judge(worst)
	prober.judge(worst)
	c := prober.stop()
	reflector.stop()
	b.ReportMetric(worst["rss"]/1e6, "rss-growth-MB")
	for _, kind := range []string{"descriptors", "threads", "goroutines", "engine-allocated", "engine-collections"} {
		b.ReportMetric(worst[kind], kind+"-growth")
	}
	b.ReportMetric(c.skipped(), "skipped/slot")
	b.ReportMetric(c["lost"]/c["slots_sent"], "lost/probe")
}

// soaked is a daemon with what was seen of it.
type soaked struct {
	*daemon
	listen string
	series map[held][]float64
}

// held is something that a process holds.
type held struct{ process, kind string }

func newSoaked(b *testing.B, name, config, targets string) *soaked {
	b.Helper()
	listen := listenAddress(b)
	d := start(b, spec{name: name, config: config + smallRings + scraped(listen) + targets})
	return &soaked{daemon: d, listen: listen, series: map[held][]float64{}}
}

// sample looks at the daemon once.
func (s *soaked) sample() {
	s.b.Helper()
	names := []string{"exporter", "engine"}
	for i, u := range s.uses() {
		s.add(names[min(i, 1)], "rss", float64(u.rss))
		s.add(names[min(i, 1)], "descriptors", float64(u.descriptors))
		s.add(names[min(i, 1)], "threads", float64(u.threads))
	}
	s.add("exporter", "goroutines", goroutines(s.b, s.listen))
	c := scrape(s.b, s.listen)
	s.add("engine", "engine-allocated", c["engine_allocated"])
	s.add("engine", "engine-collections", c["engine_collections"])
}

func (s *soaked) add(process, kind string, n float64) {
	s.series[held{process, kind}] = append(s.series[held{process, kind}], n)
}

// judge fails the benchmark for what grew, and notes in worst what grew most of each kind.
func (s *soaked) judge(worst map[string]float64) {
	s.b.Helper()
	for what, series := range s.series {
		worst[what.kind] = max(worst[what.kind], growth(series))
		if grows(series, slacks[what.kind]) {
			s.b.Errorf("%s of the %s process of the %s grow by %v, want %v at most: %v",
				what.kind, what.process, s.name, growth(series), slacks[what.kind].of(series), series)
		}
	}
}
