package loop

import (
	"bytes"
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/netnstest"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
)

// stamped has everything that the kernel attaches to entries of the error queue.
var stamped = packetio.Options{MaxSize: 1470, Batch: batch, Transmit: true, Errors: true, Marks: true}

// awaitNotices reads n notices about packets of the socket t.
func (r *rig) awaitNotices(conn packetio.Conn, t Token, n int) []packetio.Notice {
	r.Helper()
	var got []packetio.Notice
	notices := make([]packetio.Notice, batch)
	for len(got) < n {
		r.await(t, func(ready Ready) bool { return ready.Notice })
		n, err := conn.ReadNotices(notices)
		if err != nil {
			r.Fatal(err)
		}
		for _, notice := range notices[:n] {
			notice.Data = bytes.Clone(notice.Data)
			got = append(got, notice)
		}
	}
	return got
}

// sending is one or more WriteBatch calls and what is to be heard of them.
type sending struct {
	first, last   uint32 // IDs
	before, after clock.Wall
}

// timed sends packets, of which those that cannot be sent are left out. All are to be numbered.
func (r *rig) timed(conn packetio.Conn, packets []packetio.Packet) sending {
	r.Helper()
	s := sending{before: clock.WallNow()}
	sent := 0
	for len(packets) > 0 {
		n, err := conn.WriteBatch(packets)
		for i, p := range packets[:n] {
			if sent == 0 && i == 0 {
				s.first = p.ID
			}
			s.last = p.ID
		}
		sent += n
		if err != nil {
			n++
		}
		packets = packets[n:]
	}
	s.after = clock.WallNow()
	if s.last-s.first != uint32(sent-1) {
		r.Errorf("%d packets have the IDs %d to %d", sent, s.first, s.last)
	}
	return s
}

// wantTransmitted fails the test unless the next notices are the transmit timestamps of all packets
// sent, each once and each within the time in which its packet was sent.
func (r *rig) wantTransmitted(conn packetio.Conn, t Token, sendings ...sending) {
	r.Helper()
	want := make(map[uint32]sending)
	for _, s := range sendings {
		for id := s.first; id != s.last+1; id++ {
			want[id] = s
		}
	}
	for _, n := range r.awaitNotices(conn, t, len(want)) {
		s, ok := want[n.ID]
		if !ok || n.Transmitted < s.before || n.Transmitted > s.after {
			r.Errorf("packet %d was transmitted at %d, want once between %d and %d", n.ID, n.Transmitted, s.before, s.after)
		}
		delete(want, n.ID)
	}
	for id := range want {
		r.Errorf("packet %d has no transmit timestamp", id)
	}
}

func notifying(packets []packetio.Packet) []packetio.Packet {
	for i := range packets {
		packets[i].Notify = true
	}
	return packets
}

func eachLoopback(t *testing.T, test func(r *rig, loopback netip.Addr)) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) { test(newRig(t, epoll), needs(t, ip)) })
	}
}

func TestTransmitTimestampsNameTheirPackets(t *testing.T) {
	eachLoopback(t, func(r *rig, loopback netip.Addr) {
		sender, receiver := r.listenUDP(loopback, stamped, senderToken), r.listenUDP(loopback, small, receiverToken)
		for range 3 {
			var sendings []sending
			for _, n := range []int{1, 16, 3, 2 * batch} {
				sendings = append(sendings, r.timed(sender, notifying(packetsTo(receiver.LocalAddr(), n))))
			}
			r.wantTransmitted(sender, senderToken, sendings...)
		}
	})
}

func TestTransmitTimestampsOfChosenPacketsNameThem(t *testing.T) {
	eachLoopback(t, func(r *rig, loopback netip.Addr) {
		sender, receiver := r.listenUDP(loopback, stamped, senderToken), r.listenUDP(loopback, small, receiverToken)
		for next := uint32(0); next < 30; {
			packets := packetsTo(receiver.LocalAddr(), batch)
			for i := range packets {
				packets[i].Notify = i%3 == 1
			}
			before := clock.WallNow()
			r.send(sender, packets)
			after := clock.WallNow()
			notices := r.awaitNotices(sender, senderToken, batch/3)
			for i, n := range notices {
				p := packets[3*i+1]
				if n.ID != next || p.ID != next || n.Transmitted < before || n.Transmitted > after {
					t.Errorf("packet %d has a notice of %d at %d, want number %d between %d and %d",
						p.ID, n.ID, n.Transmitted, next, before, after)
				}
				next++
			}
			if len(notices) != batch/3 {
				t.Errorf("%d notices about %d packets", len(notices), batch/3)
			}
			r.receive(receiver, receiverToken, batch)
			r.quiet()
		}
	})
}

func TestNotifyIsNotHeededByWhoDoesNotAsk(t *testing.T) {
	eachLoopback(t, func(r *rig, loopback netip.Addr) {
		conn := r.listenUDP(loopback, small, senderToken)
		packets := packetsTo(conn.LocalAddr(), 3)
		packets[1].Notify = true
		r.send(conn, packets)
		r.receive(conn, senderToken, 3)
		if n, err := conn.ReadNotices(make([]packetio.Notice, batch)); n != 0 || err != nil {
			t.Errorf("ReadNotices = %d, %v, want 0, nil", n, err)
		}
		r.quiet()
	})
}

// The kernel counts some packets that it then fails to send, and its numbers start again from 0 after
// a failure, while timestamps from before are still to be read.
func TestTransmitTimestampsStayRightAfterFailedSends(t *testing.T) {
	tests := []struct {
		name string
		fail func(p *packetio.Packet)
		want syscall.Errno
	}{
		{"too long", func(p *packetio.Packet) { p.Data = make([]byte, 65536) }, syscall.EMSGSIZE},
		{"reserved destination", func(p *packetio.Packet) { p.Remote = netip.MustParseAddrPort("240.0.0.1:9") }, syscall.EINVAL},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, loopback := newRig(t, epoll), netip.MustParseAddr("127.0.0.1")
			sender := r.listenUDP(loopback, stamped, senderToken)
			receiver := r.listenUDP(loopback, small, receiverToken)
			r.failBetween(sender, receiver, tt.fail, tt.want)
		})
	}
}

// These the kernel has numbered before the firewall drops them.
func TestTransmitTimestampsStayRightBehindAFirewall(t *testing.T) {
	host := netnstest.New(t).Host("a")
	host.Run(t, "iptables", "-w", "-A", "OUTPUT", "-p", "udp", "--dport", "9", "-j", "DROP")
	loopback := netip.MustParseAddr("127.0.0.1")
	drop := func(p *packetio.Packet) { p.Remote = netip.AddrPortFrom(loopback, 9) }
	r := newRig(t, epoll)
	sender := r.listenUDPOn(host, loopback, stamped, senderToken)
	receiver := r.listenUDPOn(host, loopback, small, receiverToken)
	r.failBetween(sender, receiver, drop, syscall.EPERM)
}

// listenUDPOn opens a UDP socket on a host of a lab.
func (r *rig) listenUDPOn(host *netnstest.Host, ip netip.Addr, o packetio.Options, t Token) packetio.Conn {
	r.Helper()
	var conn packetio.Conn
	err := host.Do(func() (err error) {
		conn, _, err = r.ListenUDP(netip.AddrPortFrom(ip, 0), o, t)
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	r.close = append(r.close, func() { _ = conn.Close() })
	return conn
}

// failBetween sends packets that fail before, behind and between others. All have Notify, but for one
// that fails: it must not disturb a socket where it is not numbered.
func (r *rig) failBetween(sender, receiver packetio.Conn, fail func(p *packetio.Packet), want syscall.Errno) {
	r.Helper()
	failing := notifying(packetsTo(receiver.LocalAddr(), 1))
	fail(&failing[0])
	if n, err := sender.WriteBatch(failing); n != 0 || !errors.Is(err, want) {
		r.Fatalf("WriteBatch = %d, %v, want 0, %v", n, err, want)
	}
	for range 20 { // more failures than are remembered
		one := r.timed(sender, notifying(packetsTo(receiver.LocalAddr(), 1)))
		mixed := notifying(packetsTo(receiver.LocalAddr(), 8))
		mixed[4].Notify = false
		for _, i := range []int{0, 4, 5} {
			fail(&mixed[i])
		}
		rest := r.timed(sender, mixed)
		r.wantTransmitted(sender, senderToken, one, rest)
	}
}

func TestTransmitTimestampsReadMuchLaterAreRightOrMissing(t *testing.T) {
	r, loopback := newRig(t, epoll), netip.MustParseAddr("127.0.0.1")
	sender, receiver := r.listenUDP(loopback, stamped, senderToken), r.listenUDP(loopback, small, receiverToken)
	failing := []packetio.Packet{{Remote: receiver.LocalAddr(), Data: make([]byte, 65536), Notify: true}}
	var sendings []sending
	for range 100 {
		sendings = append(sendings, r.timed(sender, notifying(packetsTo(receiver.LocalAddr(), 1))))
		if n, err := sender.WriteBatch(failing); n != 0 || err == nil {
			t.Fatalf("WriteBatch = %d, %v, want 0 and an error", n, err)
		}
	}
	last := sendings[len(sendings)-1]
	for id := uint32(0); id != last.last; {
		for _, n := range r.awaitNotices(sender, senderToken, 1) {
			id = n.ID
			if s := sendings[id]; n.Transmitted < s.before || n.Transmitted > s.after {
				t.Errorf("packet %d was transmitted at %d, want between %d and %d", id, n.Transmitted, s.before, s.after)
			}
		}
	}
}

func TestUnreachablePortIsNoticed(t *testing.T) {
	eachLoopback(t, func(r *rig, loopback netip.Addr) {
		sender, receiver := r.listenUDP(loopback, stamped, senderToken), r.listenUDP(loopback, small, receiverToken)
		for i := range 5 {
			nobody := closedPort(r, loopback)
			data := payload(i, 50)
			lost := r.timed(sender, []packetio.Packet{{Remote: nobody, Data: data, Notify: true}})
			// The error that is pending now must fail neither this call nor the numbering.
			kept := r.timed(sender, notifying(packetsTo(receiver.LocalAddr(), 2)))
			var transmitted int
			for _, n := range r.awaitNotices(sender, senderToken, 4) {
				if n.Transmitted != 0 {
					transmitted++
					if n.ID-lost.first > kept.last-lost.first || n.Transmitted < lost.before || n.Transmitted > kept.after {
						r.Errorf("packet %d was transmitted at %d", n.ID, n.Transmitted)
					}
					continue
				}
				if n.Errno != syscall.ECONNREFUSED || n.Remote != nobody || !bytes.Equal(n.Data, data) {
					r.Errorf("notice of %v about %x to %v, want %v about %x to %v",
						n.Errno, n.Data, n.Remote, syscall.ECONNREFUSED, data, nobody)
				}
			}
			if transmitted != 3 {
				r.Errorf("%d transmit timestamps, want 3", transmitted)
			}
			r.receive(receiver, receiverToken, 2)
			r.send(receiver, packetsTo(sender.LocalAddr(), 2))
			r.receive(sender, senderToken, 2)
		}
		r.quiet()
	})
}

// Who did not ask for errors is neither woken by them nor fails for them.
func TestUnreachablePortIsNotNoticedByWhoDoesNotAsk(t *testing.T) {
	eachLoopback(t, func(r *rig, loopback netip.Addr) {
		conn := r.listenUDP(loopback, small, senderToken)
		nobody := closedPort(r, loopback)
		for range 5 {
			r.send(conn, []packetio.Packet{{Remote: nobody, Data: payload(0, 50)}})
			r.quiet()
		}
		if n, err := conn.ReadNotices(make([]packetio.Notice, batch)); n != 0 || err != nil {
			r.Errorf("ReadNotices = %d, %v, want 0, nil", n, err)
		}
		r.send(conn, packetsTo(conn.LocalAddr(), 2))
		r.receive(conn, senderToken, 2)
	})
}
