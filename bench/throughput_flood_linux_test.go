package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// flooding is what becomes of the probes of a flood.
type flooding string

const (
	receiving  flooding = "receive" // one probe in a batch asks for an answer, so that the flood does not overflow
	reflecting flooding = "reflect" // all do
	wholePath  flooding = "whole"   // as receiving
)

// flood is probes that come as fast as they are taken, all of the same octets.
type flood struct {
	b              *testing.B
	cpu            int
	packet, asking string // files
}

// throughputOfReflector floods the daemon and the C program by turns.
func throughputOfReflector(b *testing.B, kind flooding, size int) {
	feeding, cpu := twoCPUs(b)
	if !hasLimit(b) {
		b.Skip("needs the C program to make the flood")
	}
	f := flood{b: b, cpu: feeding, packet: writeProbe(b, size, kind == reflecting), asking: writeProbe(b, size, true)}
	port, otherPort := freePort(b), freePort(b)
	m := startReflector(b, kind, port, cpu)
	answerer := startLimit(b, cpu, "answer", strconv.Itoa(otherPort))
	answerer.line()
	f.run(port, warmUp/turns)
	var ours work
	elapsed := time.Duration(0) // of the C program's turns
	for range turns {
		ours.add(m.measure(func() { f.run(port, *span/turns) }))
		elapsed += f.run(otherPort, *span/turns)
	}
	limits := answerer.stop()
	limits.elapsed = elapsed // between them it slept
	compare(b, ours, limits)
	c := m.stop()
	b.ReportMetric(c["ring_dropped"]/c["probes_received"], "dropped/point")
	b.ReportMetric(c["queue_overflow"]/c["probes_received"], "overflow/probe")
}

// startReflector starts a daemon that answers at a port, and that is measured.
func startReflector(b *testing.B, kind flooding, port, cpu int) *meter {
	listen := listenAddress(b)
	config := fmt.Sprintf("address = \"127.0.0.1\"\ntcp = false\nudp_port = %d\nrate_limit = 0\n"+
		"[engine]\ncpus = [%d]\n[metrics]\nbackend = \"prometheus\"\nlisten = %q\n", port, cpu, listen)
	m := &meter{daemon: start(b, spec{name: "reflector", config: config}), listen: listen, parent: kind == wholePath}
	switch kind {
	case receiving:
		m.counts("probes_received")
	case reflecting:
		m.counts("probes_reflected")
	case wholePath:
		m.countsPoints()
	}
	return m
}

// run floods a port for a while, and returns for how long it did.
func (f *flood) run(port int, while time.Duration) time.Duration {
	l := startLimit(f.b, f.cpu, "flood", f.packet, f.asking, strconv.Itoa(port))
	time.Sleep(while)
	return l.stop().elapsed
}

// writeProbe makes a probe, with as many octets whether it asks for an answer or not, and returns the file's name.
func writeProbe(b *testing.B, size int, asks bool) string {
	codec, err := stamp.NewCodec(stamp.Unauthenticated, nil)
	if err != nil {
		b.Fatal(err)
	}
	packet := codec.AppendSender(nil, 0)
	if asks {
		packet, err = stamp.AppendExtraPadding(packet, len(stamp.AppendReturnPath(nil, stamp.NoReply))-tlvHeader)
	} else {
		packet = stamp.AppendReturnPath(packet, stamp.NoReply)
	}
	if missing := size - len(packet) - tlvHeader; err == nil && missing > 0 {
		packet, err = stamp.AppendExtraPadding(packet, missing)
	}
	if err == nil {
		err = codec.StampSender(packet, 0, 0, stamp.NewErrorEstimate(clock.ReadError().Bound, stamp.NTP))
	}
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "probe")
	if err := os.WriteFile(file, packet, 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}

// tlvHeader is the length of a TLV's flags, type and length (RFC 8972 section 4).
const tlvHeader = 4
