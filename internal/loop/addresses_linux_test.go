package loop

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// Replies to packets that were sent to many addresses of a host leave in one batch, each from its own.
func TestUDPRepliesComeFromTheAddressesAsked(t *testing.T) {
	families := map[string]struct {
		wildcard, format string
	}{
		"IPv4": {"0.0.0.0", "127.0.%d.2"},
		"IPv6": {"::", "fd77::%d"},
	}
	host := netnstest.New(t).Host("a")
	for name, family := range families {
		t.Run(name, func(t *testing.T) {
			var addresses []netip.Addr
			for i := range batch - 1 {
				addresses = append(addresses, netip.MustParseAddr(fmt.Sprintf(family.format, i+1)))
				if addresses[i].Is6() {
					host.Run(t, "ip", "address", "add", addresses[i].String()+"/128", "dev", "lo", "nodad")
				}
			}
			each(t, func(r *rig) {
				if r.local {
					r.answerFrom(host, netip.MustParseAddr(family.wildcard), addresses)
				}
			})
		})
	}
}

func (r *rig) answerFrom(host *netnstest.Host, wildcard netip.Addr, addresses []netip.Addr) {
	r.Helper()
	conn := r.listenUDPOn(host, wildcard, marked, receiverToken)
	peers := make([]*net.UDPConn, len(addresses))
	for i, asked := range addresses {
		to := netip.AddrPortFrom(asked, conn.LocalAddr().Port())
		err := host.Do(func() (err error) {
			peers[i], err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
			return err
		})
		if err != nil {
			r.Fatal(err)
		}
		r.close = append(r.close, func() { _ = peers[i].Close() })
		if err := peers[i].SetDeadline(time.Now().Add(waittest.Patience())); err != nil {
			r.Fatal(err)
		}
		if _, err := peers[i].Write([]byte(asked.String())); err != nil {
			r.Fatal(err)
		}
	}
	var replies []packetio.Packet
	for i, p := range r.receive(conn, receiverToken, len(addresses)) {
		if p.Local != addresses[i] || p.TTL == 0 {
			r.Errorf("a packet to %v came to %v with TTL %d", addresses[i], p.Local, p.TTL)
		}
		replies = append(replies, packetio.Packet{Data: p.Data, Remote: p.Remote, Local: p.Local, TOS: uint8(i << 2), TTL: 255})
	}
	r.send(conn, replies)
	for i, asked := range addresses {
		answer := make([]byte, 100)
		n, err := peers[i].Read(answer) // each is connected, and takes it from the address asked only
		if err != nil || string(answer[:n]) != asked.String() {
			r.Errorf("the peer of %v got %q, %v", asked, answer[:n], err)
		}
	}
}
