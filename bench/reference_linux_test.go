package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// referenceVariable names the environment variable with the folder of the reference implementation. In there must be
// one of these, which are tried in this order:
//
//	latency-monitor      an executable file, such as pip installs
//	latency_monitor.py   a program for python3
//	latency_monitor/     a package that `python3 -m latency_monitor` runs
//
// It has the options and the configuration file that ours has, and prints its points on standard output.
const referenceVariable = "REFERENCE_DIR"

func referenceMissing() string {
	if os.Getenv(referenceVariable) == "" {
		return referenceVariable + ", the folder of a checkout"
	}
	program := referenceProgram()
	if program == nil {
		return "latency-monitor, latency_monitor.py or latency_monitor/ in " + referenceVariable
	}
	return programMissing(program[0])()
}

// referenceProgram is the reference's program with its first arguments; nil if there is none.
func referenceProgram() []string {
	dir := referenceDir()
	if binary, err := exec.LookPath(filepath.Join(dir, "latency-monitor")); err == nil {
		return []string{binary}
	}
	script := filepath.Join(dir, "latency_monitor.py")
	if _, err := os.Stat(script); err == nil {
		return []string{"python3", script}
	}
	if _, err := os.Stat(filepath.Join(dir, "latency_monitor", "__main__.py")); err == nil {
		return []string{"python3", "-m", "latency_monitor"}
	}
	return nil
}

// referenceDir is absolute, for the programs run in other folders.
func referenceDir() string {
	dir, err := filepath.Abs(os.Getenv(referenceVariable))
	if err != nil {
		return os.Getenv(referenceVariable)
	}
	return dir
}

// reference measures with the reference implementation. Its messages are longer than those of the others, for it
// pads them; that is as it comes.
func reference(b *testing.B, on route) probed {
	b.Helper()
	port, other := freePort(b), freePort(b)
	config := filepath.Join(b.TempDir(), "reference.toml")
	target := fmt.Sprintf("[[targets]]\nhost = %q\ntype = \"udp\"\nudp_port = %d\nlabel = \"reflector\"\n", on.address, port)
	if err := os.WriteFile(config, []byte(target), 0o600); err != nil {
		b.Fatal(err)
	}
	reflector := serve(b, port, referenceCommand(b, on.to, "-n", "reflector", "--udp-port", fmt.Sprint(port)))
	defer reflector.kill()
	prober := launch(b, referenceCommand(b, on.from, "-n", "prober", "--udp-port", fmt.Sprint(other),
		"-c", config, "-i", fmt.Sprint(floorInterval.Milliseconds())))
	defer prober.kill()
	if !prober.waitPrinted() {
		b.Logf("%s prints no points:\n%s", prober.name, prober.logged())
		return probed{}
	}
	time.Sleep(warmUp)
	began := time.Now()
	time.Sleep(*span)
	ended := time.Now()
	prober.interrupt()
	reflector.interrupt()
	return probedBetween(began, ended, referencePoints(b, prober), referencePoints(b, reflector))
}

// referenceCommand runs it in an empty folder, where there is no configuration that it would find by itself.
func referenceCommand(b testing.TB, on netnstest.Place, options ...string) *exec.Cmd {
	b.Helper()
	program := append(referenceProgram(), "--no-tcp", "--no-tcp-latency")
	cmd := on.Command(context.Background(), program[0], append(program[1:], options...)...)
	cmd.Dir = b.TempDir()
	cmd.Env = append(os.Environ(), "PYTHONPATH="+referenceDir())
	return cmd
}

// referencePoints are the points that it printed. What is no point is passed over, such as half a line at the end.
func referencePoints(b testing.TB, s *server) []exportertest.Got {
	b.Helper()
	f, err := os.Open(s.out.Name())
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var points []exportertest.Got
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if p, err := exportertest.ParseLine(lines.Bytes()); err == nil {
			points = append(points, p)
		}
	}
	return points
}
