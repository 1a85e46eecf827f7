package reflector

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// What the kernel tells of a request and does for a reply, on real sockets.
func TestMarksAndTransmitTimestampsOfStamp(t *testing.T) {
	for _, family := range []struct {
		network, ip              string
		level, tos, ttl, recvTTL int
	}{
		{"udp4", "127.0.0.1", unix.IPPROTO_IP, unix.IP_TOS, unix.IP_TTL, unix.IP_RECVTTL},
		{"udp6", "::1", unix.IPPROTO_IPV6, unix.IPV6_TCLASS, unix.IPV6_UNICAST_HOPS, unix.IPV6_RECVHOPLIMIT},
	} {
		t.Run(family.network, func(t *testing.T) {
			conn, err := net.ListenPacket(family.network, net.JoinHostPort(family.ip, "0"))
			if err != nil {
				t.Skipf("needs the address %s: %v", family.ip, err)
			}
			_ = conn.Close()
			r := newRig(t, epoll, testConfig(netip.MustParseAddr(family.ip)))
			r.start()
			client := r.client()
			raw, err := client.conn.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			if err := raw.Control(func(fd uintptr) {
				for option, value := range map[int]int{family.tos: 34<<2 | 1, family.ttl: 77, family.recvTTL: 1} {
					if err := unix.SetsockoptInt(int(fd), family.level, option, value); err != nil {
						t.Error(err)
					}
				}
			}); err != nil {
				t.Fatal(err)
			}
			followed, last := false, stamp.Timestamp(0)
			for seq := range uint32(50) {
				q := stampProbe{seq: 2 * seq, tlvs: stamp.AppendFollowUpTelemetry(stamp.AppendClassOfService(nil, 46))}
				client.send(stampPacket(t, q))
				if ttl := client.receivedTTL(); ttl != replyTTL {
					t.Fatalf("reply with TTL %d, want %d", ttl, replyTTL)
				}
				q.seq++
				p, _ := client.askStamp(q)
				if p.TTL != 77 {
					t.Fatalf("reply tells TTL %d, want 77", p.TTL)
				}
				for tlv := range stamp.TLVs(p.TLVs) {
					switch tlv.Type {
					case stamp.TypeClassOfService:
						got, err := stamp.DecodeClassOfService(tlv.Value)
						if want := (stamp.ClassOfService{DSCP1: 46, DSCP2: 34, ECN: 1}); err != nil || got != want {
							t.Fatalf("class of service %+v, %v, want %+v", got, err, want)
						}
					case stamp.TypeFollowUpTelemetry:
						got, err := stamp.DecodeFollowUpTelemetry(tlv.Value)
						if err != nil {
							t.Fatal(err)
						}
						at, err := stamp.NTP.UnixNanos(got.T3, int64(clock.WallNow()), 0)
						if got.T3 != 0 && (err != nil || got.T3 < last || clock.Wall(at) > clock.WallNow()) {
							t.Fatalf("follow-up %+v, %v, after %v", got, err, last)
						}
						followed, last = followed || got.T3 != 0, max(last, got.T3)
					}
				}
			}
			if !followed {
				t.Error("no reply tells when the one before left")
			}
		})
	}
}

// receivedTTL waits for the next reply and gives the TTL or hop limit with which it came.
func (c *client) receivedTTL() int {
	c.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(waittest.Patience()))
	control := make([]byte, 128)
	_, n, _, _, err := c.conn.ReadMsgUDPAddrPort(make([]byte, 1500), control)
	if err != nil {
		c.Fatalf("waiting for a reply: %v", err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		c.Fatalf("control messages %+v, %v, want one", messages, err)
	}
	return int(binary.NativeEndian.Uint32(messages[0].Data))
}
