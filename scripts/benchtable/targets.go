package main

import (
	"strings"
	"time"
)

// target is what a figure should be.
type target struct {
	what    string
	measure measure
	bound   bound
}

type bound struct {
	value   float64
	atLeast bool // else at most
}

func atMost(value float64) bound  { return bound{value: value} }
func atLeast(value float64) bound { return bound{value: value, atLeast: true} }

func (b bound) holds(value float64) bool {
	if b.atLeast {
		return value >= b.value
	}
	return value <= b.value
}

func (b bound) text(unit string) string {
	switch {
	case b.atLeast:
		return "at least " + format(b.value, unit)
	case b.value == 0:
		return "0"
	default:
		return "at most " + format(b.value, unit)
	}
}

const (
	paced      = "BenchmarkPacing/interval=1ms/"
	truth      = "BenchmarkTruth/protocol="
	throughput = "BenchmarkThroughput/kind="
	memory     = "BenchmarkMemory/targets=100"
)

// targets are those of the table, in its order.
var targets = []target{
	{"send lateness at 1 ms, idle: p50 over cyclictest's", median{paced + "targets=1/priority=0/load=idle", "p50-late/cyclictest"}, atMost(1.15)},
	{"the same: p99", median{paced + "targets=1/priority=0/load=idle", "p99-late/cyclictest"}, atMost(1.5)},
	{"the same with `realtime_priority = 10`, cyclictest's too: p50", median{paced + "targets=1/priority=10/load=idle", "p50-late/cyclictest"}, atMost(1.15)},
	{"the same: p99", median{paced + "targets=1/priority=10/load=idle", "p99-late/cyclictest"}, atMost(1.5)},
	{
		"send lateness at 1 ms with `realtime_priority = 10`, one core busy and the exporter at full load: p99 over idle",
		median{paced + "targets=1/priority=10/load=busy", "p99-busy/idle"}, atMost(2),
	},
	{"slots skipped in 60 s at 1 ms, idle, 1 target", total{median{paced + "targets=1/priority=0/load=idle", "skipped"}, time.Minute}, atMost(0)},
	{"the same with `realtime_priority = 10`", total{median{paced + "targets=1/priority=10/load=idle", "skipped"}, time.Minute}, atMost(0)},
	{"slots skipped in 60 s at 1 ms, idle, 100 targets", total{median{paced + "targets=100/priority=0/load=idle", "skipped"}, time.Minute}, atMost(0)},
	{"RTT on idle loopback: irtt's p99 over ours", median{"BenchmarkFloor/net=loopback", "rtt-p99-irtt/ours"}, atLeast(5)},
	{"error against a packet capture, RTT from the kernel's T1 and T4 (text): p50", median{truth + "text", "rtt-error-p50-ns"}, atMost(2e3)},
	{"the same: p99", median{truth + "text", "rtt-error-p99-ns"}, atMost(10e3)},
	{"the same with T2 and T3, which the reflector writes itself (STAMP): p50", median{truth + "stamp", "rtt-error-p50-ns"}, atMost(2e3)},
	{"the same: p99", median{truth + "stamp", "rtt-error-p99-ns"}, atMost(10e3)},
	{"error against a packet capture, receiver's OWD: p50", median{truth + "stamp", "owd-error-p50-ns"}, atMost(5e3)},
	{"the same: p99", median{truth + "stamp", "owd-error-p99-ns"}, atMost(20e3)},
	{"send throughput over the C program's, 44 octets", median{throughput + "send/size=44", "ours/limit"}, atLeast(0.9)},
	{"the same, 1470 octets", median{throughput + "send/size=1470", "ours/limit"}, atLeast(0.9)},
	{"receive throughput over the C program's, 44 octets", median{throughput + "receive/size=44", "ours/limit"}, atLeast(0.9)},
	{"the same, 1470 octets", median{throughput + "receive/size=1470", "ours/limit"}, atLeast(0.9)},
	{"reflect throughput over the C program's, 44 octets", median{throughput + "reflect/size=44", "ours/limit"}, atLeast(0.9)},
	{"the same, 1470 octets", median{throughput + "reflect/size=1470", "ours/limit"}, atLeast(0.9)},
	{"allocations per probe over UDP, whole path to the ring", median{"BenchmarkAllocations/transport=udp", "allocs/probe"}, atMost(0)},
	{
		"CPU per probe of prober and reflector at 1000 probes a second, over the reference implementation's (35 % of a core for 868, measured once)",
		median{"BenchmarkCost/backend=cli", "cpu/reference"}, atMost(0.2),
	},
	{"memory of a daemon with 100 targets, in MB: RSS of its two processes added up", median{memory, "rss-MB"}, atMost(30)},
	{"the same: pages that both share counted once (PSS)", median{memory, "pss-MB"}, atMost(30)},
	{"stripped static binary, linux/amd64, in MB", median{"BenchmarkBinary", "MB"}, atMost(16)},
}

// targetTable has a row for each target, whether it was measured or not.
func targetTable(r *results, targets []target) string {
	var w strings.Builder
	row(&w, "what", "target", "measured", "")
	row(&w, "---", "---", "---", "---")
	for _, t := range targets {
		measured, verdict := t.judge(r)
		row(&w, t.what, t.bound.text(t.measure.in()), measured, verdict)
	}
	return w.String()
}

func (t target) judge(r *results) (measured, verdict string) {
	f, ok := t.measure.figure(r)
	if !ok {
		return "", "not measured"
	}
	measured = format(f.value, t.measure.in()) + " (" + f.runs + ")"
	switch {
	case !t.bound.holds(f.value):
		return measured, "**not met**"
	case f.short:
		return measured, "runs too short"
	default:
		return measured, "met"
	}
}
