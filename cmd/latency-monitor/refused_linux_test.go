package main_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// refusedStep is the step that failed, as the error names it. The portable engine binds and listens in one.
var refusedStep = map[mode]string{isolated: "bind: ", oneProcess: "bind: ", portable: ""}

func TestPortInUseIsRefused(t *testing.T) {
	for _, test := range []struct{ name, host, address, wantLocal string }{
		{"IPv4", "127.0.0.1", "127.0.0.1", "127.0.0.1"},
		{"IPv6", "::1", "::1", "[::1]"},
		{"IPv4, by a daemon on every address", "127.0.0.1", "", "0.0.0.0"},
		{"IPv6, by a daemon on every address", "::1", "", "[::]"},
	} {
		for m := range refusedStep {
			for _, transport := range []string{"udp", "tcp"} {
				t.Run(strings.Join([]string{test.name, string(m), transport}, "/"), func(t *testing.T) {
					config := ""
					if test.address != "" {
						config += fmt.Sprintf("address = %q\n", test.address)
					}
					port := takenPort(t, transport, test.host)
					config += fmt.Sprintf("%s_port = %d\n%s = false\n", transport, port, other(transport))
					runToEnd(t, m.configure(config)).checkRefused(t, 1, fmt.Sprintf(
						"listen on %s %s:%d: %saddress already in use", transport, test.wantLocal, port, refusedStep[m]))
				})
			}
		}
	}
}

// takenPort is a port of one transport and address that nobody else can have before the test ends.
func takenPort(t *testing.T, transport, host string) int {
	t.Helper()
	if transport == "udp" {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn.LocalAddr().(*net.UDPAddr).Port
	}
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.ParseIP(host)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().(*net.TCPAddr).Port
}

func other(transport string) string {
	if transport == "udp" {
		return "tcp"
	}
	return "udp"
}

// The addresses are of the blocks for documentation, so nobody has them: RFC 5737, RFC 3849.
func TestAddressThatIsNotOursIsRefused(t *testing.T) {
	for m := range refusedStep {
		for _, transport := range []string{"udp", "tcp"} {
			for address, local := range map[string]string{"192.0.2.1": "192.0.2.1", "2001:db8::1": "[2001:db8::1]"} {
				t.Run(strings.Join([]string{string(m), transport, address}, "/"), func(t *testing.T) {
					config := fmt.Sprintf("address = %q\n%s = false\n", address, other(transport))
					port := map[string]int{"udp": 8001, "tcp": 8000}[transport]
					runToEnd(t, m.configure(config)).checkRefused(t, 1, fmt.Sprintf(
						"listen on %s %s:%d: %scannot assign requested address", transport, local, port, refusedStep[m]))
				})
			}
		}
	}
}

// A network namespace of its own has the privileged ports of a fresh machine.
func TestPrivilegedPortIsRefusedWithoutPermission(t *testing.T) {
	host := twoHosts(t).A.Host // skips without root, which it takes to become somebody else, too
	const nobody = 65534
	binary := program(t)
	for m := range refusedStep {
		for _, transport := range []string{"udp", "tcp"} {
			t.Run(string(m)+"/"+transport, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), waittest.Patience())
				defer cancel()
				cmd := exec.CommandContext(ctx, binary, "-c", configFor(t, nobody, m.configure("")),
					"--"+transport+"-port", "81", "--no-"+other(transport))
				cmd.Dir = "/"
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
				got := resultOf(t, cmd, func() error { return host.Do(cmd.Run) })
				got.checkRefused(t, 1, "listen on "+transport+" 0.0.0.0:81: "+refusedStep[m]+"permission denied")
			})
		}
	}
}

// configFor writes a configuration that another user can read, beside the program.
func configFor(t *testing.T, uid int, text string) string {
	t.Helper()
	file, err := os.CreateTemp(buildDir, "*.toml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(text); err != nil {
		t.Error(err)
	}
	if err := file.Chown(uid, uid); err != nil {
		t.Error(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}

func TestLogFileThatCannotBeOpenedIsRefused(t *testing.T) {
	missing, dir := filepath.Join(t.TempDir(), "missing", "log"), t.TempDir()
	for _, test := range []struct{ name, file, want string }{
		{"in a directory that is missing", missing, "log file: open " + missing + ": no such file or directory"},
		{"a directory", dir, "log file: open " + dir + ": is a directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tcp, udp := takenPorts(t) // no socket is opened before
			runToEnd(t, fmt.Sprintf("tcp_port = %d\nudp_port = %d\n", tcp, udp), "-f", test.file).checkRefused(t, 1, test.want)
		})
	}
}
