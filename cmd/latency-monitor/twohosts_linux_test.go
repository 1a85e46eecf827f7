package main_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// metrics of delay.
var delays = []string{"udp.wan.owd", "udp.wan.rtt", "tcp.wan.owd", "tcp.wan.rtt", "tcp.wan.latency"}

// family is an address family to test with.
type family struct {
	name string
	ipv6 bool
	addr func(netnstest.End) string
}

func families() []family {
	return []family{
		{"IPv4", false, func(e netnstest.End) string { return e.IPv4.String() }},
		{"IPv6", true, func(e netnstest.End) string { return e.IPv6.String() }},
	}
}

// twoHosts makes hosts a and b with a link between them.
func twoHosts(t *testing.T) *netnstest.Link {
	t.Helper()
	lab := netnstest.New(t)
	return lab.Link(lab.Host("a"), lab.Host("b"))
}

func TestTwoHostsMeasureEachOther(t *testing.T) {
	for _, test := range []struct {
		name         string
		modeA, modeB mode
	}{
		{"both isolated", isolated, isolated},
		{"both in one process", oneProcess, oneProcess},
		{"both with the portable engine", portable, portable},
		{"one isolated, one with the portable engine", isolated, portable},
		{"one in one process, one with the portable engine", oneProcess, portable},
	} {
		t.Run(test.name, func(t *testing.T) {
			link := twoHosts(t)
			a := start(t, spec{mode: test.modeA, on: link.A.Host, name: "a", config: probeBothFamilies("b", link.B)})
			b := start(t, spec{mode: test.modeB, on: link.B.Host, name: "b", config: probeBothFamilies("a", link.A)})
			const enough = 50
			for _, f := range families() {
				a.waitPoints(enough, printedBy("a", "b", f)...)
				b.waitPoints(enough, printedBy("b", "a", f)...)
			}
			outA, countersA := a.stop()
			outB, countersB := b.stop()
			checkProber(outA, countersA)
			checkProber(outB, countersB)
			for _, f := range families() {
				checkDelays(t, "a", outA, "b", outB, f)
				checkDelays(t, "b", outB, "a", outA, f)
			}
		})
	}
}

// probeBothFamilies configures a target per address of the other end.
func probeBothFamilies(other string, end netnstest.End) string {
	config := "interval = 5\n"
	for _, f := range families() {
		config += fmt.Sprintf("[[targets]]\nhost = %q\nlabel = \"%s over %s\"\ntags = %s\n",
			f.addr(end), other, f.name, fmt.Sprintf("[%q, %q]", familyTags(f)[0], familyTags(f)[1]))
	}
	return config
}

func familyTags(f family) []string { return []string{"family:" + f.name, "a tag:it's"} }

// tagsOf are the tags of a metric of the probes from one host to the other, in their order. The
// receiver of a probe, which measures its one-way delay, knows itself by its name only.
func tagsOf(metric, from, to string, f family) []string {
	if metric != "udp.wan.owd" && metric != "tcp.wan.owd" {
		to += " over " + f.name
	}
	return append([]string{"source:" + from, "target:" + to}, familyTags(f)...)
}

// printedBy are the series that a host prints: the delays of its own probes and the one-way delays
// of the other's.
func printedBy(own, other string, f family) []string {
	var series []string
	for _, metric := range delays {
		from, to := own, other
		if metric == "udp.wan.owd" || metric == "tcp.wan.owd" {
			from, to = other, own
		}
		series = append(series, seriesOf(metric, tagsOf(metric, from, to, f)...))
	}
	return series
}

// checkDelays checks the delays of the probes from one host to the other.
func checkDelays(t *testing.T, from string, prober *output, to string, receiver *output, f family) {
	t.Helper()
	medians := map[string]int64{}
	for _, metric := range delays {
		measured := prober
		if metric == "udp.wan.owd" || metric == "tcp.wan.owd" {
			measured = receiver
		}
		values := measured.values(metric, tagsOf(metric, from, to, f)...)
		slices.Sort(values)
		if values[0] <= 0 {
			t.Errorf("%s to %s over %s: %s of %d ns, want more than 0", from, to, f.name, metric, values[0])
		}
		medians[metric] = values[len(values)/2]
		if medians[metric] >= 5e6 {
			t.Errorf("%s to %s over %s: median %s is %d ns, want less than 5 ms", from, to, f.name, metric, medians[metric])
		}
	}
	// Over UDP the RTT is from the kernel's timestamp on, and without the time in the reflector, so that the
	// way through the sender's kernel, which is in the OWD, can be more than the way back.
	if owd, rtt := medians["tcp.wan.owd"], medians["tcp.wan.rtt"]; rtt < owd {
		t.Errorf("%s to %s over %s, tcp: median RTT %d ns is less than median OWD %d ns", from, to, f.name, rtt, owd)
	}
}
