package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
)

// targets are several that a daemon probes at the same interval: addresses of this host's loopback, at which another
// daemon answers.
type targets struct {
	count    int
	interval time.Duration
	port     int
}

// loopback is one of many addresses of this host.
func loopback(i int) string { return fmt.Sprintf("127.1.%d.%d", i/250, i%250+1) }

// config is the end of a prober's configuration. Labels are numbers, by which pace finds the target of a point.
func (t targets) config() string {
	var toml strings.Builder
	for i := range t.count {
		fmt.Fprintf(&toml, "[[targets]]\nhost = %q\nudp_port = %d\nlabel = \"%d\"\n", loopback(i), t.port, i)
	}
	return toml.String()
}

// grid is that of target i: the daemon spreads those of the same interval evenly over it.
func (t targets) grid(i int) grid {
	return grid{t.interval * time.Duration(i) / time.Duration(t.count), t.interval}
}

// pace adds what a daemon that has been stopped made of the slots during a while, as its points tell: each slot ended
// in a round-trip time or a loss, both of which have the time when the probe was sent, or it was skipped. The output
// is gone after that, since it may be large.
func (t targets) pace(d *daemon, during period, p *pace) {
	d.b.Helper()
	sent := make([][]clock.Mono, t.count)
	f, err := os.Open(d.out.Name())
	if err != nil {
		d.b.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if i, at, ok := t.probe(d.b, lines.Bytes()); ok {
			sent[i] = append(sent[i], during.mono(at))
		}
	}
	for i, at := range sent {
		p.add(t.grid(i), at, during.from.mono, during.to.mono)
	}
	if err := os.Remove(d.out.Name()); err != nil {
		d.b.Fatal(err)
	}
}

// probe reads of which target a line is, and when the probe was sent. Other lines are not ok.
func (t targets) probe(b testing.TB, line []byte) (target int, at clock.Wall, ok bool) {
	if !bytes.Contains(line, []byte(`"udp.wan.rtt"`)) && !bytes.Contains(line, []byte(`"udp.wan.loss"`)) {
		return 0, 0, false
	}
	point, err := exportertest.ParseLine(line)
	if err != nil {
		b.Fatal(err)
	}
	for _, tag := range point.Tags {
		if label, found := strings.CutPrefix(tag, "target:"); found {
			target, err = strconv.Atoi(label) // the label of others is a name
			ok = err == nil && target < t.count
		}
	}
	return target, clock.Wall(point.Time), ok
}

// reading is one of both clocks at the same time.
type reading struct {
	wall clock.Wall
	mono clock.Mono
}

// readClocks takes the closest of several tries, so that a preemption in between does not become lateness.
func readClocks() reading {
	var closest reading
	took := time.Duration(1<<63 - 1)
	for range 32 {
		before, wall, after := clock.MonoNow(), clock.WallNow(), clock.MonoNow()
		if d := after.Sub(before); d < took {
			took, closest = d, reading{wall, before.Add(d / 2)}
		}
	}
	return closest
}

// period is from when to when something was measured.
type period struct {
	from, to reading
}

// overtime is for the probes of the last slots of a period to leave, before somebody stops their daemon.
const overtime = 20 * time.Millisecond

// during is a period that begins now and ends a little before it returns.
func during(d time.Duration) period {
	from := readClocks()
	time.Sleep(d)
	to := readClocks()
	time.Sleep(overtime)
	return period{from, to}
}

// mono is when the monotonic clock read what it did at a time of the wall clock. The two drift apart evenly.
func (p period) mono(at clock.Wall) clock.Mono {
	share := float64(at.Sub(p.from.wall)) / float64(p.to.wall.Sub(p.from.wall))
	drift := p.to.mono.Sub(p.from.mono) - p.to.wall.Sub(p.from.wall)
	return p.from.mono.Add(at.Sub(p.from.wall) + time.Duration(share*float64(drift)))
}
