package bench

import (
	"fmt"
	"testing"
	"time"
)

// How many probes does a core send, receive and reflect in a second, over what a C program does with nothing but
// the system calls (limit/limit.c)? Base packets of 44 octets with the TLVs that they need, and such that are padded
// to 1470. The loops have a CPU for themselves, and so has what feeds them. The whole path is with the process that makes
// points and counts them into histograms, which is the backend that costs least: once of the probes that are received,
// once of those that are sent and answered.
//
// A core's second is one that the threads of a process have run: so it does not matter what else the machine does,
// nor whether it was kept busy, which cpu-% tells.
func BenchmarkThroughput(b *testing.B) {
	for _, size := range []int{44, 1470} {
		b.Run(fmt.Sprintf("kind=send/size=%d", size), func(b *testing.B) { throughputOfSender(b, size) })
		for _, kind := range []flooding{receiving, reflecting, wholePath} {
			b.Run(fmt.Sprintf("kind=%s/size=%d", kind, size), func(b *testing.B) { throughputOfReflector(b, kind, size) })
		}
		b.Run(fmt.Sprintf("kind=probe/size=%d", size), func(b *testing.B) { throughputOfProber(b, size) })
	}
}

// work is what was done in some time.
type work struct {
	probes       float64
	cpu, elapsed time.Duration
}

func (w *work) add(other work) {
	w.probes += other.probes
	w.cpu += other.cpu
	w.elapsed += other.elapsed
}

// perCore is how many probes there are in a second of one core.
func (w *work) perCore() float64 { return w.probes / w.cpu.Seconds() }

func (w *work) report(b *testing.B, prefix string) {
	b.ReportMetric(w.perCore(), prefix+"probes/s/core")
	b.ReportMetric(w.probes/w.elapsed.Seconds(), prefix+"probes/s")
	b.ReportMetric(100*w.cpu.Seconds()/w.elapsed.Seconds(), prefix+"cpu-%")
}

// compare reports what the daemon does, and that over what the C program does, if there is one.
func compare(b *testing.B, ours, limits work) {
	ours.report(b, "")
	if limits.cpu > 0 {
		limits.report(b, "limit-")
		b.ReportMetric(ours.perCore()/limits.perCore(), "ours/limit")
	}
}

// hasLimit reports whether there is a C program to compare with, and says why not.
func hasLimit(b *testing.B) bool {
	_, err := limitProgram()
	if err != nil {
		b.Log("without the limit of the machine: ", err)
	}
	return err == nil
}

// meter counts what a daemon does that serves its counters at an address.
type meter struct {
	*daemon
	listen  string
	parent  bool // its time counts too, and not only that of the engine process
	count   func() float64
	settled func() bool // all that was done is counted
}

// measure counts what the daemon does meanwhile.
func (m *meter) measure(meanwhile func()) work {
	counted, cpu, began := m.count(), m.cpu(), time.Now()
	meanwhile()
	done := work{elapsed: time.Since(began)}
	for deadline := time.Now().Add(patience); !m.settled(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.b.Fatalf("%s: points are missing:\n%s", m.name, m.logged())
		}
	}
	// In the order of before: of a daemon that goes on, both are for as long.
	done.probes = m.count() - counted
	done.cpu = m.cpu() - cpu
	return done
}

func (m *meter) cpu() time.Duration {
	processes := m.processes()
	if len(processes) != 2 {
		m.b.Skip("needs an engine process, to tell its work from the other's")
	}
	total := processCPU(m.b, processes[1])
	if m.parent {
		total += processCPU(m.b, processes[0])
	}
	return total
}

// counts makes it a meter of a counter.
func (m *meter) counts(name string) {
	m.count = func() float64 { return scrape(m.b, m.listen)[name] }
	m.settled = func() bool { return true }
}

// countsPoints makes it a meter of the one-way delays that came out.
func (m *meter) countsPoints() {
	m.count = func() float64 { return owds(m.b, m.listen) }
	m.settled = func() bool {
		c := scrape(m.b, m.listen)
		return owds(m.b, m.listen) >= c["probes_received"]-c["ring_dropped"]
	}
}
