package bench

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// The loops have one CPU for themselves, and what feeds them another one.
const (
	feedingCPU  = 0
	measuredCPU = 1
)

// saturating is how many targets at 0.1 ms are more than one core can send to.
const saturating = 100

// turns is how many times the daemon and the C program take turns in one run, so that both see the same noise.
const turns = 4

// How many probes does a core send, receive and reflect in a second, over what a C program does with nothing but
// the system calls? Base packets of 44 octets with the TLVs that they need, and such that are padded to 1470.
func BenchmarkThroughput(b *testing.B) {
	if runtime.NumCPU() < 2 {
		b.Skip("needs two CPUs")
	}
	for _, size := range []int{44, 1470} {
		b.Run(fmt.Sprintf("kind=send/size=%d", size), func(b *testing.B) { throughputOfSender(b, size) })
		b.Run(fmt.Sprintf("kind=receive/size=%d", size), func(b *testing.B) { throughputOfReflector(b, size, false) })
		b.Run(fmt.Sprintf("kind=reflect/size=%d", size), func(b *testing.B) { throughputOfReflector(b, size, true) })
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

// perCore is how many probes there would be in a second of one core.
func (w *work) perCore() float64 { return w.probes / w.cpu.Seconds() }

func (w *work) report(b *testing.B, prefix string) {
	b.ReportMetric(w.perCore(), prefix+"probes/s/core")
	b.ReportMetric(w.probes/w.elapsed.Seconds(), prefix+"probes/s")
	b.ReportMetric(100*w.cpu.Seconds()/w.elapsed.Seconds(), prefix+"cpu-%")
}

// compare reports what the daemon does, and over what the C program does.
func compare(b *testing.B, ours, limits work) {
	ours.report(b, "")
	if limits.cpu > 0 {
		limits.report(b, "limit-")
		b.ReportMetric(ours.perCore()/limits.perCore(), "ours/limit")
	}
}

// hasLimit reports whether there is a C program to compare with, and tells why not.
func hasLimit(b *testing.B) bool {
	_, err := limitProgram()
	if err != nil {
		b.Log("without the limit of the machine: ", err)
	}
	return err == nil
}

func throughputOfSender(b *testing.B, size int) {
	var ours, limits work
	sink := listenWithoutReading(b)
	addresses := make([]string, saturating)
	for i := range addresses {
		addresses[i] = fmt.Sprintf("127.2.0.%d", i+1)
	}
	packet := filepath.Join(b.TempDir(), "packet")
	for range turns {
		ours.add(sendOurs(b, sink, size, addresses, packet))
		if hasLimit(b) {
			limits.add(sendLimits(b, sink, addresses, packet))
		}
	}
	compare(b, ours, limits)
}

// listenWithoutReading opens a UDP socket where packets end with the least work for this host, which is that of
// whoever sends over loopback.
func listenWithoutReading(b *testing.B) *net.UDPConn {
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { sink.Close() })
	if err := sink.SetReadBuffer(1); err != nil { // the kernel has a minimum
		b.Fatal(err)
	}
	return sink
}

func portOf(c *net.UDPConn) int { return c.LocalAddr().(*net.UDPAddr).Port }

// sendOurs has a daemon send one-way probes to addresses for its share of the span, and writes one of them to a file.
func sendOurs(b *testing.B, sink *net.UDPConn, size int, addresses []string, packet string) work {
	metrics := fmt.Sprintf("127.0.0.1:%d", freePort(b))
	config := fmt.Sprintf("tcp = false\nrtt = false\nprotocol = \"stamp\"\ninterval = 0.1\ntimeout = 0.1\nsize = %d\nudp_port = %d\n"+
		"[engine]\ncpus = [%d]\ntx_timestamps = \"off\"\n[metrics]\nbackend = \"prometheus\"\nlisten = %q\n",
		size, freePort(b), measuredCPU, metrics)
	for _, address := range addresses {
		config += fmt.Sprintf("[[targets]]\nhost = %q\nudp_port = %d\n", address, portOf(sink))
	}
	d := start(b, spec{name: "sender", config: config})
	if err := os.WriteFile(packet, shortest(b, sink, warmUp/turns), 0o600); err != nil {
		b.Fatal(err)
	}
	done := d.measure(metrics, "slots_sent", func() { time.Sleep(*span / turns) })
	d.stop()
	return done
}

// shortest reads packets for a while and returns the shortest, which is as most are.
func shortest(b *testing.B, from *net.UDPConn, while time.Duration) []byte {
	if err := from.SetReadDeadline(time.Now().Add(while)); err != nil {
		b.Fatal(err)
	}
	var packet []byte
	for buffer := make([]byte, 1500); ; {
		n, err := from.Read(buffer)
		if err != nil {
			break
		}
		if packet == nil || n < len(packet) {
			packet = append(packet[:0], buffer[:n]...)
		}
	}
	if packet == nil {
		b.Fatal("no packets came")
	}
	return packet
}

// measure counts what the daemon's engine process does meanwhile.
func (d *daemon) measure(metrics, counter string, meanwhile func()) work {
	engine := d.processes()[1]
	began, cpu, counted := time.Now(), ran(d.b, engine), scrape(d.b, metrics)
	meanwhile()
	return work{
		elapsed: time.Since(began), cpu: ran(d.b, engine) - cpu, probes: scrape(d.b, metrics).sub(counted)[counter],
	}
}

func sendLimits(b *testing.B, sink *net.UDPConn, addresses []string, packet string) work {
	began := time.Now()
	l := startLimit(b, measuredCPU, append([]string{"send", packet, strconv.Itoa(portOf(sink))}, addresses...)...)
	time.Sleep(*span / turns)
	packets, cpu := l.stop()
	return work{packets, cpu, time.Since(began)}
}

// throughputOfReflector floods the daemon and the C program by turns, with probes that ask for answers, or with such
// of which only one in a batch does.
func throughputOfReflector(b *testing.B, size int, answers bool) {
	if !hasLimit(b) {
		b.Skip("needs the C program to make the load")
	}
	packet, asking, counter := writePacket(b, "packet", size, answers), writePacket(b, "asking", size, true), "probes_reflected"
	if !answers {
		counter = "probes_received"
	}
	port, metrics := freePort(b), fmt.Sprintf("127.0.0.1:%d", freePort(b))
	d := start(b, spec{name: "reflector", config: fmt.Sprintf("tcp = false\nudp_port = %d\nrate_limit = 0\n"+
		"[engine]\ncpus = [%d]\n[metrics]\nbackend = \"prometheus\"\nlisten = %q\n", port, measuredCPU, metrics)})
	otherPort := freePort(b)
	l := startLimit(b, measuredCPU, "answer", strconv.Itoa(otherPort))
	l.line()
	var ours, limits work
	flood := func(port int, for_ time.Duration) {
		f := startLimit(b, feedingCPU, "flood", packet, asking, strconv.Itoa(port))
		time.Sleep(for_)
		f.stop()
	}
	flood(port, warmUp/turns)
	parent := ran(b, d.processes()[0])
	before := scrape(b, metrics)
	for range turns {
		ours.add(d.measure(metrics, counter, func() { flood(port, *span/turns) }))
		began := time.Now()
		flood(otherPort, *span/turns)
		limits.elapsed += time.Since(began)
	}
	parent = ran(b, d.processes()[0]) - parent
	limits.probes, limits.cpu = l.stop()
	compare(b, ours, limits)
	c := scrape(b, metrics).sub(before)
	points := c["probes_received"] - c["ring_dropped"]
	b.ReportMetric(points/(ours.cpu+parent).Seconds(), "points/s/core")
	b.ReportMetric(c["ring_dropped"]/c["probes_received"], "dropped/point")
	b.Log(c)
	d.stop()
}

// writePacket makes a probe, with as many octets whether it asks for an answer or not, and returns the file's name.
func writePacket(b *testing.B, name string, size int, asks bool) string {
	codec, err := stamp.NewCodec(stamp.Unauthenticated, nil)
	if err != nil {
		b.Fatal(err)
	}
	packet := codec.AppendSender(nil, 0)
	if asks {
		packet, err = stamp.AppendTLV(packet, stamp.TypeExtraPadding, make([]byte, 8))
	} else {
		packet = stamp.AppendReturnPath(packet, stamp.NoReply)
	}
	if missing := size - len(packet) - 4; err == nil && missing > 0 {
		packet, err = stamp.AppendTLV(packet, stamp.TypeExtraPadding, make([]byte, missing))
	}
	if err == nil {
		err = codec.StampSender(packet, 0, 0, stamp.NewErrorEstimate(clock.ReadError().Bound, stamp.NTP))
	}
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), name)
	if err := os.WriteFile(file, packet, 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}

var _ = strings.Fields
