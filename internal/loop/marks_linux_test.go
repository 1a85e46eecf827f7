package loop

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// The first packet of a connection must have its marks already: a fresh connection may be a probe.
func TestStreamsMarksAreOnTheFirstPacket(t *testing.T) {
	eachFamily(t, func(r *rig, loopback netip.Addr) {
		tap := newTap(r.T, loopback)
		l := r.listenTCP(loopback, listenToken)
		var system header
		for i, marks := range []packetio.Marking{{}, {TOS: 46 << 2, TTL: 255}, {TOS: 10 << 2}, {TTL: 17}, {}} {
			s, err := r.Dial(l.LocalAddr(), marks, dialToken)
			if err != nil {
				r.Fatal(err)
			}
			r.streams[s] = true
			r.awaitWrite(dialToken)
			if _, err := s.Handshake(); err != nil {
				r.Fatalf("Handshake: %v", err)
			}
			got := tap.syn(r.T, l.LocalAddr().Port())
			if i == 0 {
				system = got
			}
			want := header{tos: marks.TOS, ttl: marks.TTL}
			if want.ttl == 0 {
				want.ttl = system.ttl
			}
			if got != want || got.ttl == 0 {
				r.Errorf("a connection with %+v began with %+v, want %+v", marks, got, want)
			}
			r.drop(s)
		}
	})
}

// tap is a packet socket (packet(7)) that hears what one family sends through the loopback interface.
type tap struct {
	fd  int
	ip4 bool
}

type header struct{ tos, ttl uint8 }

func newTap(t *testing.T, ip netip.Addr) tap {
	t.Helper()
	protocol := uint16(unix.ETH_P_IPV6)
	if ip.Is4() {
		protocol = unix.ETH_P_IP
	}
	protocol = binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, protocol))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(protocol))
	if err != nil {
		t.Skipf("needs CAP_NET_RAW, to see packets: %v", err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	device, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: device.Index}); err != nil {
		t.Fatal(err)
	}
	limit := unix.NsecToTimeval(int64(waittest.Patience()))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		t.Fatal(err)
	}
	return tap{fd: fd, ip4: ip.Is4()}
}

// syn waits for the next packet that begins a connection to a port (RFC 9293 section 3.1), without
// options in its IP header.
func (p tap) syn(t *testing.T, port uint16) header {
	t.Helper()
	const tcp, synAndAck, syn = 6, 0x12, 0x02
	buf := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(p.fd, buf, 0)
		if err == unix.EINTR { // by the Go runtime, which stops threads by a signal
			continue
		}
		if err != nil {
			t.Fatalf("no first packet to port %d: %v", port, err)
		}
		h, protocol, payload := p.split(buf[:n])
		if protocol == tcp && len(payload) >= 20 && payload[13]&synAndAck == syn && binary.BigEndian.Uint16(payload[2:]) == port {
			return h
		}
	}
}

// split reads an IP header (RFC 791 section 3.1, RFC 8200 section 3).
func (p tap) split(packet []byte) (h header, protocol uint8, payload []byte) {
	switch {
	case p.ip4 && len(packet) >= 20:
		return header{tos: packet[1], ttl: packet[8]}, packet[9], packet[20:]
	case !p.ip4 && len(packet) >= 40:
		return header{tos: packet[0]<<4 | packet[1]>>4, ttl: packet[7]}, packet[6], packet[40:]
	}
	return header{}, 0, nil
}
