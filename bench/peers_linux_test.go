package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// route is from where to where peers measure.
type route struct {
	from, to netnstest.Place
	address  string // of the far end
}

// peer is a program that measures what we do.
type peer struct {
	name    string
	missing func() string // what it lacks here; "" is nothing
	measure func(b *testing.B, on route) probed
	against []string // of ours, whose figures its own can be compared to
}

// presentPeers are those that can run here, ours first. It logs what the others lack.
func presentPeers(b *testing.B) []peer {
	b.Helper()
	var present []peer
	for _, p := range []peer{
		{"ours", nothingMissing, ours("auto"), nil},
		{"ours-text", nothingMissing, ours("text"), []string{"ours"}},
		{"irtt", programMissing("irtt"), irtt, []string{"ours"}},
		{"sockperf", programMissing("sockperf"), sockperf, []string{"ours", "ours-text"}},
		{"fping", fpingMissing, fping, []string{"ours"}},
		{"reference", referenceMissing, reference, []string{"ours", "ours-text"}},
	} {
		if thing := p.missing(); thing != "" {
			b.Logf("without %s: needs %s", p.name, thing)
			continue
		}
		present = append(present, p)
	}
	return present
}

func nothingMissing() string { return "" }

func programMissing(name string) func() string {
	return func() string {
		if _, err := exec.LookPath(name); err != nil {
			return name + " in PATH"
		}
		return ""
	}
}

// server is a program that runs until it is told to end.
type server struct {
	b        testing.TB
	name     string
	cmd      *exec.Cmd
	out, log *os.File
}

// serve starts a program that answers over UDP, and returns when the port is its own. It ends with the benchmark
// at the latest.
func serve(b testing.TB, port int, cmd *exec.Cmd) *server {
	b.Helper()
	s := launch(b, cmd)
	bound := fmt.Appendf(nil, ":%04X ", port)
	for deadline := time.Now().Add(patience); !bytes.Contains(s.sockets(), bound); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("%s does not answer at UDP port %d:\n%s", s.name, port, s.logged())
		}
	}
	return s
}

// launch starts a program with its output in files.
func launch(b testing.TB, cmd *exec.Cmd) *server {
	b.Helper()
	s := &server{b: b, name: cmd.String(), cmd: cmd, out: create(b, "out"), log: create(b, "log")}
	cmd.Stdout, cmd.Stderr = s.out, s.log
	if err := startChild(cmd); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.kill)
	return s
}

// sockets are the addresses of the UDP sockets where the program runs, as proc_pid_net(5) has them: of the network
// namespace that the process is in.
func (s *server) sockets() []byte {
	s.b.Helper()
	var all []byte
	for _, table := range []string{"udp", "udp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", s.cmd.Process.Pid, table))
		if err != nil && table == "udp" { // there is no udp6 without IPv6
			s.b.Fatalf("%s ended: %v\n%s", s.name, err, s.logged())
		}
		all = append(all, text...)
	}
	return all
}

// waitPrinted waits until something is on the program's standard output.
func (s *server) waitPrinted() bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if info, err := s.out.Stat(); err == nil && info.Size() > 0 {
			return true
		}
	}
	return false
}

// logged is all that the program printed: some log to standard output.
func (s *server) logged() []byte {
	s.b.Helper()
	var all []byte
	for _, f := range []*os.File{s.out, s.log} {
		text, err := os.ReadFile(f.Name())
		if err != nil {
			s.b.Fatal(err)
		}
		all = append(all, text...)
	}
	return all
}

// kill ends the program at once, if it still runs.
func (s *server) kill() {
	if s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}

// interrupt ends the program as Ctrl-C does, so that it writes what it has still in its buffers.
func (s *server) interrupt() {
	impatient := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
	defer impatient.Stop()
	_ = s.cmd.Process.Signal(os.Interrupt)
	_ = s.cmd.Wait() // Its exit status says nothing about what it measured.
}

// printedBy runs a program that ends by itself, soon after warm-up and span, and returns what it printed.
func printedBy(b testing.TB, on netnstest.Place, name string, args ...string) (stdout, stderr []byte) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), warmUp+*span+patience)
	defer cancel()
	var out, log bytes.Buffer
	cmd := on.Command(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s: %v\n%s%s", cmd, err, log.Bytes(), out.Bytes())
	}
	return out.Bytes(), log.Bytes()
}
