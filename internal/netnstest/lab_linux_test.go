package netnstest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

const port = 8001

// listen opens a UDP socket on the host.
func listen(t *testing.T, h *Host, addr netip.Addr) *net.UDPConn {
	t.Helper()
	var conn *net.UDPConn
	err := h.Do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, port)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(waittest.Patience())); err != nil {
		t.Fatal(err)
	}
	return conn
}

// ping sends one datagram from a socket to an address and returns the error of that, or of
// receiving it on the other socket.
func ping(from, to *net.UDPConn) error {
	dst := to.LocalAddr().(*net.UDPAddr).AddrPort()
	if _, err := from.WriteToUDPAddrPort([]byte("ping"), dst); err != nil {
		return err
	}
	buf := make([]byte, 16)
	n, err := to.Read(buf)
	if err == nil && string(buf[:n]) != "ping" {
		err = fmt.Errorf("received %q", buf[:n])
	}
	return err
}

// pair is the two ends of a link in one address family.
type pair struct {
	name string
	ipv6 bool
	addr func(End) netip.Addr
}

func pairs() []pair {
	return []pair{
		{"IPv4", false, func(e End) netip.Addr { return e.IPv4 }},
		{"IPv6", true, func(e End) netip.Addr { return e.IPv6 }},
	}
}

func TestHostsReachEachOtherOverALink(t *testing.T) {
	lab := New(t)
	link := lab.Link(lab.Host("a"), lab.Host("b"))
	for _, p := range pairs() {
		t.Run(p.name, func(t *testing.T) {
			a := listen(t, link.A.Host, p.addr(link.A))
			b := listen(t, link.B.Host, p.addr(link.B))
			if err := ping(a, b); err != nil {
				t.Errorf("a to b: %v", err)
			}
			if err := ping(b, a); err != nil {
				t.Errorf("b to a: %v", err)
			}
		})
	}
}

func TestLinkGoesDownAndUp(t *testing.T) {
	lab := New(t)
	link := lab.Link(lab.Host("a"), lab.Host("b"))
	for _, p := range pairs() {
		t.Run(p.name, func(t *testing.T) {
			a := listen(t, link.A.Host, p.addr(link.A))
			b := listen(t, link.B.Host, p.addr(link.B))
			link.Down(t)
			if err := ping(a, b); err == nil || os.IsTimeout(err) {
				t.Errorf("send while the link is down: error %v, want one from sending", err)
			}
			link.Up(t)
			if err := ping(a, b); err != nil {
				t.Errorf("after the link is up again: %v", err)
			}
		})
	}
}

func TestDropTakesExactlyTheChosenPackets(t *testing.T) {
	const sent, every, first = 100, 10, 3
	lab := New(t)
	link := lab.Link(lab.Host("a"), lab.Host("b"))
	for _, p := range pairs() {
		t.Run(p.name, func(t *testing.T) {
			a := listen(t, link.A.Host, p.addr(link.A))
			b := listen(t, link.B.Host, p.addr(link.B))
			drop := link.B.Host.Drop(t, Loss{Every: every, First: first, IPv6: p.ipv6, Match: toPort})
			sendNumbers(t, a, p.addr(link.B), sent)

			var want []byte
			for i := range byte(sent) {
				if i%every != first {
					want = append(want, i)
				}
			}
			wantNumbers(t, b, want)
			if n := drop.Dropped(t); n != sent/every {
				t.Errorf("Dropped() = %d, want %d", n, sent/every)
			}

			drop.Remove(t)
			for i := range every {
				if err := ping(a, b); err != nil {
					t.Fatalf("datagram %d after Remove: %v", i, err)
				}
			}
		})
	}
}

func TestDropOfEveryPacketLetsNoneThrough(t *testing.T) {
	lab := New(t)
	link := lab.Link(lab.Host("a"), lab.Host("b"))
	a := listen(t, link.A.Host, link.A.IPv4)
	b := listen(t, link.B.Host, link.B.IPv4)
	drop := link.B.Host.Drop(t, Loss{Every: 1})
	if err := b.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := ping(a, b); !os.IsTimeout(err) {
		t.Errorf("receive behind a total loss: %v, want a timeout", err)
	}
	if n := drop.Dropped(t); n != 1 {
		t.Errorf("Dropped() = %d, want 1", n)
	}
}

func TestDoLeavesNoThreadInTheNamespace(t *testing.T) {
	host := New(t).Host("a")
	outside := interfaces(t)
	for range 100 {
		var inside []string
		if err := host.Do(func() error { inside = interfaces(t); return nil }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(inside, []string{"lo"}) {
			t.Fatalf("interfaces on the host: %q, want only lo", inside)
		}
		if got := interfaces(t); !slices.Equal(got, outside) {
			t.Fatalf("interfaces afterwards: %q, want %q", got, outside)
		}
	}
}

// interfaces asks by system call, so the answer is that of the calling thread's namespace.
func interfaces(t *testing.T) []string {
	list, err := net.Interfaces()
	if err != nil {
		t.Error(err)
	}
	var names []string
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}

func TestDoReturnsTheError(t *testing.T) {
	host := New(t).Host("a")
	want := errors.New("mine")
	if got := host.Do(func() error { return want }); !errors.Is(got, want) {
		t.Errorf("Do() = %v, want %v", got, want)
	}
	if got := host.Do(func() error { runtime.Goexit(); return nil }); got == nil {
		t.Error("Do() = nil after Goexit, want an error")
	}
}

func TestLabGoesAwayWithItsProcesses(t *testing.T) {
	var host *Host
	var cmd *exec.Cmd
	t.Run("lab", func(t *testing.T) {
		host = New(t).Host("a")
		cmd = host.Command(context.Background(), "sh", "-c", "echo on the host; exec sleep 1000")
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	})
	if host == nil {
		t.Skip(missing())
	}
	if err := cmd.Wait(); err == nil {
		t.Error("sleep 1000 ended by itself")
	}
	if exists(t, host.namespace) {
		t.Errorf("namespace %s is still there", host.namespace)
	}
}

func TestStaleNamespacesAreRemoved(t *testing.T) {
	New(t)
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	stale := fmt.Sprintf("%s%d-00000000-a", namePrefix, dead.Process.Pid)
	alive := fmt.Sprintf("%s%d-00000000-a", namePrefix, os.Getpid())
	foreign := "not-" + stale
	for _, name := range []string{stale, alive, foreign} {
		mustRun(t, "ip", "netns", "add", name)
		t.Cleanup(func() { removeNamespace(name) })
	}
	removeStale()
	if exists(t, stale) {
		t.Errorf("%s is still there, its process is not", stale)
	}
	if !exists(t, alive) || !exists(t, foreign) {
		t.Errorf("%s or %s was removed", alive, foreign)
	}
}

func exists(t *testing.T, namespace string) bool {
	t.Helper()
	list := mustRun(t, "ip", "netns", "list")
	return slices.Contains(strings.Fields(list), namespace)
}

func TestMissingToolIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	want := "needs ip (iproute2)"
	if os.Geteuid() != 0 {
		want = "needs root"
	}
	if got := missing(); !strings.HasPrefix(got, want) {
		t.Errorf("missing() = %q, want a reason starting with %q", got, want)
	}
}
