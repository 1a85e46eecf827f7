package bench

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// saturating is how many targets at 0.1 ms are more than one core can send to.
const saturating = 100

// sending is what both programs send: one-way probes, in the same octets, to the same addresses.
type sending struct {
	size, cpu int
	sink      *net.UDPConn
	addresses []string
	packet    string // a file with a probe of the daemon's
}

func throughputOfSender(b *testing.B, size int) {
	_, cpu := twoCPUs(b)
	s := sending{size: size, cpu: cpu, sink: listenWithoutReading(b), packet: filepath.Join(b.TempDir(), "packet")}
	for i := range saturating {
		s.addresses = append(s.addresses, fmt.Sprintf("127.2.0.%d", i+1))
	}
	var ours, limits work
	for range turns {
		ours.add(s.ours(b))
		if hasLimit(b) {
			limits.add(s.limits(b))
		}
	}
	compare(b, ours, limits)
}

// listenWithoutReading opens a UDP socket where packets end with the least work for this host: over loopback, that is
// the work of whoever sends.
func listenWithoutReading(b *testing.B) *net.UDPConn {
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { sink.Close() })
	if err := sink.SetReadBuffer(1); err != nil { // of which the kernel makes its minimum
		b.Fatal(err)
	}
	return sink
}

func (s *sending) port() int { return s.sink.LocalAddr().(*net.UDPAddr).Port }

// ours has a daemon send for its turn, and puts one of its probes into the file.
func (s *sending) ours(b *testing.B) work {
	listen := listenAddress(b)
	config := fmt.Sprintf("tcp = false\nrtt = false\nprotocol = \"stamp\"\ninterval = 0.1\ntimeout = 0.1\nsize = %d\nudp_port = %d\n"+
		"[engine]\ncpus = [%d]\ntx_timestamps = \"off\"\n[metrics]\nbackend = \"prometheus\"\nlisten = %q\n",
		s.size, freePort(b), s.cpu, listen)
	for _, address := range s.addresses {
		config += fmt.Sprintf("[[targets]]\nhost = %q\nudp_port = %d\n", address, s.port())
	}
	m := meter{daemon: start(b, spec{name: "sender", config: config}), listen: listen}
	m.counts("slots_sent")
	if err := os.WriteFile(s.packet, s.shortest(b, warmUp/turns), 0o600); err != nil {
		b.Fatal(err)
	}
	done := m.measure(func() { time.Sleep(*span / turns) })
	m.stop()
	return done
}

// shortest reads probes for a while and returns the shortest: most are like that, without the name of the prober.
func (s *sending) shortest(b *testing.B, while time.Duration) []byte {
	if err := s.sink.SetReadDeadline(time.Now().Add(while)); err != nil {
		b.Fatal(err)
	}
	var packet []byte
	for buffer := make([]byte, 1500); ; {
		n, err := s.sink.Read(buffer)
		if err != nil {
			break
		}
		if packet == nil || n < len(packet) {
			packet = append(packet[:0], buffer[:n]...)
		}
	}
	if packet == nil {
		b.Fatal("no probes came")
	}
	return packet
}

func (s *sending) limits(b *testing.B) work {
	l := startLimit(b, s.cpu, append([]string{"send", s.packet, strconv.Itoa(s.port())}, s.addresses...)...)
	time.Sleep(*span / turns)
	return l.stop()
}
