package netnstest

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// linkTimeout is how long the kernel may take until a link that was set up carries packets.
const linkTimeout = 10 * time.Second

// Link is a cable between two hosts.
type Link struct {
	A, B End
}

// End is one end of a link.
type End struct {
	Host       *Host
	Device     string
	IPv4, IPv6 netip.Addr
}

// Link joins two hosts. Link number n of a lab has the networks 10.77.n.0/24 and fd77:n::/64, with
// a at address 1 and b at address 2. It is ready for packets when Link returns.
func (l *Lab) Link(a, b *Host) *Link {
	l.t.Helper()
	l.links++
	link := &Link{A: l.end(a, 1), B: l.end(b, 2)}
	mustRun(l.t, "ip", "-n", a.namespace, "link", "add", link.A.Device, "type", "veth",
		"peer", "name", link.B.Device, "netns", b.namespace)
	link.B.up(l.t)
	link.Up(l.t)
	return link
}

func (l *Lab) end(h *Host, host int) End {
	return End{
		Host:   h,
		Device: fmt.Sprintf("veth%d-%d", l.links, host),
		IPv4:   netip.AddrFrom4([4]byte{10, 77, byte(l.links), byte(host)}),
		IPv6:   netip.MustParseAddr(fmt.Sprintf("fd77:%x::%x", l.links, host)),
	}
}

// Down cuts the link, at both ends. Routes that lead over it are gone.
func (l *Link) Down(t testing.TB) {
	t.Helper()
	for _, e := range []End{l.A, l.B} {
		e.ip(t, "link", "set", e.Device, "down")
	}
}

// Up brings the link up again with its addresses and waits until it carries packets. Routes beyond
// those of the link itself do not come back.
func (l *Link) Up(t testing.TB) {
	t.Helper()
	l.A.up(t)
	l.B.up(t)
	l.A.waitReady(t)
	l.B.waitReady(t)
}

// up also sets the addresses, because the kernel removes an interface's IPv6 addresses when it goes
// down. They are usable at once (nodad): there is nobody else to have them.
func (e End) up(t testing.TB) {
	t.Helper()
	e.ip(t, "link", "set", e.Device, "up")
	e.ip(t, "address", "replace", e.IPv4.String()+"/24", "dev", e.Device)
	e.ip(t, "address", "replace", e.IPv6.String()+"/64", "dev", e.Device, "nodad")
}

// waitReady polls, because ip-monitor(8) may start too late to see the event.
func (e End) waitReady(t testing.TB) {
	t.Helper()
	deadline := time.Now().Add(linkTimeout)
	for {
		link := e.ip(t, "-oneline", "link", "show", "dev", e.Device)
		tentative := e.ip(t, "-6", "address", "show", "dev", e.Device, "tentative", "scope", "global")
		if strings.Contains(link, "state UP") && tentative == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready after %v: %s%s", e.Device, linkTimeout, link, tentative)
		}
		time.Sleep(time.Millisecond)
	}
}

func (e End) ip(t testing.TB, args ...string) string {
	t.Helper()
	return mustRun(t, "ip", append([]string{"-n", e.Host.namespace}, args...)...)
}
