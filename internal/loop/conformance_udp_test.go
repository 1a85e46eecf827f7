package loop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

const batch = 16

var small = packetio.Options{MaxSize: 1470, Batch: batch}

// Tokens of the sockets in most tests.
const (
	senderToken   Token = 1
	receiverToken Token = 1<<40 + 2 // more than 32 bits
)

// packetsTo makes n packets of different lengths, each with its number in it.
func packetsTo(to netip.AddrPort, n int) []packetio.Packet {
	packets := make([]packetio.Packet, n)
	for i := range packets {
		packets[i] = packetio.Packet{Remote: to, Data: payload(i, 4+i%100)}
	}
	return packets
}

func payload(number, size int) []byte {
	data := bytes.Repeat([]byte{byte(number)}, max(size, 4))
	binary.BigEndian.PutUint32(data, uint32(number))
	return data[:size]
}

func TestUDPPacketsArriveInOrder(t *testing.T) {
	eachFamily(t, func(r *rig, loopback netip.Addr) {
		sender, receiver := r.listenUDP(loopback, small, senderToken), r.listenUDP(loopback, small, receiverToken)
		sent := packetsTo(receiver.LocalAddr(), 100)
		before := clock.WallNow()
		r.send(sender, sent)
		got := r.receive(receiver, receiverToken, len(sent))
		after := clock.WallNow()
		for i, p := range got {
			if !bytes.Equal(p.Data, sent[i].Data) {
				r.Fatalf("packet %d = %x, want %x", i, p.Data, sent[i].Data)
			}
			if p.Remote != sender.LocalAddr() || p.Cut || p.Stamp != r.stamp {
				r.Errorf("packet %d: Remote %v, Cut %t, Stamp %v, want %v, false, %v",
					i, p.Remote, p.Cut, p.Stamp, sender.LocalAddr(), r.stamp)
			}
			if p.At < before || p.At > after {
				r.Errorf("packet %d: At %d, want between %d and %d", i, p.At, before, after)
			}
			if r.local && p.Local != loopback {
				r.Errorf("packet %d: Local %v, want %v", i, p.Local, loopback)
			}
		}
		for i, p := range sent {
			if p.ID != uint32(i) {
				r.Errorf("packet %d has ID %d", i, p.ID)
			}
		}
		r.quiet()
	})
}

func TestUDPPacketsLeaveAsTheyAreStamped(t *testing.T) {
	eachFamily(t, func(r *rig, loopback netip.Addr) {
		receiver := r.listenUDP(loopback, small, receiverToken)
		sent, calls := packetsTo(receiver.LocalAddr(), batch), byte(0)
		stamped := small
		stamped.Stamp = func() {
			calls++
			for i := range sent {
				sent[i].Data[0] = calls
			}
		}
		sender := r.listenUDP(loopback, stamped, senderToken)
		for round := range byte(3) {
			r.send(sender, sent)
			for i, p := range r.receive(receiver, receiverToken, len(sent)) {
				if want := round + 1; p.Data[0] != want || calls != want {
					r.Errorf("packet %d of batch %d is stamped %d after %d calls, want %[2]d", i, want, p.Data[0], calls)
				}
			}
		}
	})
}

func TestUDPPacketsOfEverySizeArriveWhole(t *testing.T) {
	eachFamily(t, func(r *rig, loopback netip.Addr) {
		sender, receiver := r.listenUDP(loopback, small, senderToken), r.listenUDP(loopback, small, receiverToken)
		for size := 1; size <= small.MaxSize; size += batch {
			var sent []packetio.Packet
			for s := size; s < min(size+batch, small.MaxSize+1); s++ {
				sent = append(sent, packetio.Packet{Remote: receiver.LocalAddr(), Data: payload(s, s)})
			}
			r.send(sender, sent)
			for i, p := range r.receive(receiver, receiverToken, len(sent)) {
				if !bytes.Equal(p.Data, sent[i].Data) || p.Cut {
					r.Fatalf("%d octets arrived as %d, Cut %t", len(sent[i].Data), len(p.Data), p.Cut)
				}
			}
		}
	})
}

func TestUDPPacketsLongerThanTheLimitAreCut(t *testing.T) {
	eachFamily(t, func(r *rig, loopback netip.Addr) {
		limited := packetio.Options{MaxSize: 100, Batch: batch}
		sender, receiver := r.listenUDP(loopback, small, senderToken), r.listenUDP(loopback, limited, receiverToken)
		for _, size := range []int{100, 101, 102, 1000} {
			data := payload(size, size)
			r.send(sender, []packetio.Packet{{Remote: receiver.LocalAddr(), Data: data}})
			p := r.receive(receiver, receiverToken, 1)[0]
			if want := size > limited.MaxSize; p.Cut != want || !bytes.Equal(p.Data, data[:limited.MaxSize]) {
				r.Errorf("%d octets with a limit of 100 arrived as %d, Cut %t, want 100, %t", size, len(p.Data), p.Cut, want)
			}
		}
	})
}

func TestUDPLongestPacketArrives(t *testing.T) {
	eachFamily(t, func(r *rig, loopback netip.Addr) {
		options := packetio.Options{MaxSize: 65535, Batch: 2}
		sender, receiver := r.listenUDP(loopback, options, senderToken), r.listenUDP(loopback, options, receiverToken)
		data := payload(7, packetio.MaxDatagram(loopback))
		_, err := sender.WriteBatch([]packetio.Packet{{Remote: receiver.LocalAddr(), Data: data}})
		if errors.Is(err, syscall.EMSGSIZE) {
			r.Skipf("not on this platform: packets of %d octets", len(data))
		}
		if err != nil {
			r.Fatal(err)
		}
		if p := r.receive(receiver, receiverToken, 1)[0]; !bytes.Equal(p.Data, data) || p.Cut {
			r.Errorf("%d octets arrived as %d, Cut %t", len(data), len(p.Data), p.Cut)
		}
	})
}

func TestUDPEmptyPacketArrives(t *testing.T) {
	eachFamily(t, func(r *rig, loopback netip.Addr) {
		receiver := r.listenUDP(loopback, small, receiverToken)
		peer := dialUDP(r, receiver.LocalAddr())
		for _, data := range []string{"", "x", ""} {
			if _, err := peer.Write([]byte(data)); err != nil {
				r.Fatal(err)
			}
		}
		for i, p := range r.receive(receiver, receiverToken, 3) {
			if len(p.Data) != i%2 || p.Cut || p.Remote.Port() == 0 {
				r.Errorf("packet %d = %q, Cut %t, from %v", i, p.Data, p.Cut, p.Remote)
			}
		}
	})
}

// dialUDP makes a plain socket of the net package.
func dialUDP(r *rig, to netip.AddrPort) *net.UDPConn {
	r.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(waittest.Patience())); err != nil {
		r.Fatal(err)
	}
	return conn
}

func TestUDPReadBatchGivesNothingWhenThereIsNothing(t *testing.T) {
	eachFamily(t, func(r *rig, loopback netip.Addr) {
		conn := r.listenUDP(loopback, small, senderToken)
		for range 3 {
			if n, err := conn.ReadBatch(make([]packetio.Packet, batch)); n != 0 || err != nil {
				r.Errorf("ReadBatch = %d, %v, want 0, nil", n, err)
			}
		}
		if n, err := conn.ReadNotices(make([]packetio.Notice, batch)); n != 0 || err != nil {
			r.Errorf("ReadNotices = %d, %v, want 0, nil", n, err)
		}
		r.quiet()
	})
}

func TestUDPSocketStaysReadyUntilItIsEmpty(t *testing.T) {
	eachFamily(t, func(r *rig, loopback netip.Addr) {
		sender, receiver := r.listenUDP(loopback, small, senderToken), r.listenUDP(loopback, small, receiverToken)
		const total = 50
		r.send(sender, packetsTo(receiver.LocalAddr(), total))
		packets := make([]packetio.Packet, 3)
		for got := 0; got < total; {
			r.awaitRead(receiverToken)
			r.awaitRead(receiverToken) // not only once
			n, err := receiver.ReadBatch(packets)
			if n == 0 || err != nil {
				r.Fatalf("ReadBatch of a ready socket = %d, %v", n, err)
			}
			for _, p := range packets[:n] {
				if number := int(binary.BigEndian.Uint32(p.Data)); number != got {
					r.Fatalf("packet %d came as number %d", number, got)
				}
				got++
			}
		}
		r.quiet()
	})
}

func TestUDPDataStaysUntilTheNextReadBatch(t *testing.T) {
	eachFamily(t, func(r *rig, loopback netip.Addr) {
		sender, receiver := r.listenUDP(loopback, small, senderToken), r.listenUDP(loopback, small, receiverToken)
		r.send(sender, packetsTo(receiver.LocalAddr(), 1))
		r.awaitRead(receiverToken)
		packets := make([]packetio.Packet, 1)
		if n, err := receiver.ReadBatch(packets); n != 1 || err != nil {
			r.Fatalf("ReadBatch = %d, %v, want 1, nil", n, err)
		}
		r.send(sender, packetsTo(receiver.LocalAddr(), 2*batch)[1:])
		r.awaitRead(receiverToken)
		if want := payload(0, 4); !bytes.Equal(packets[0].Data, want) {
			r.Errorf("data became %x, want %x", packets[0].Data, want)
		}
	})
}

// A host with many addresses must answer from the one that was asked, or the asker drops the reply.
func TestUDPReplyComesFromTheAddressAsked(t *testing.T) {
	tests := []struct{ wildcard, asked string }{
		{"0.0.0.0", "127.0.0.2"},
		{"::", "::1"},
	}
	for _, tt := range tests {
		t.Run(tt.asked, func(t *testing.T) {
			asked := needs(t, tt.asked)
			each(t, func(r *rig) {
				if !r.local {
					return
				}
				conn := r.listenUDP(netip.MustParseAddr(tt.wildcard), small, receiverToken)
				peer := dialUDP(r, netip.AddrPortFrom(asked, conn.LocalAddr().Port()))
				if _, err := peer.Write([]byte("question")); err != nil {
					r.Fatal(err)
				}
				p := r.receive(conn, receiverToken, 1)[0]
				if p.Local != asked {
					r.Errorf("Local = %v, want %v", p.Local, asked)
				}
				r.send(conn, []packetio.Packet{{Data: []byte("answer"), Remote: p.Remote, Local: p.Local}})
				answer := make([]byte, 100)
				n, err := peer.Read(answer) // the peer is connected, and takes it from the address asked only
				if err != nil || string(answer[:n]) != "answer" {
					r.Errorf("peer got %q, %v", answer[:n], err)
				}
			})
		})
	}
}

func TestUDPSurvivesAnUnreachablePort(t *testing.T) {
	eachFamily(t, func(r *rig, loopback netip.Addr) {
		sender, receiver := r.listenUDP(loopback, small, senderToken), r.listenUDP(loopback, small, receiverToken)
		for range 5 {
			r.send(sender, packetsTo(closedPort(r, loopback), 1))
			r.send(sender, packetsTo(receiver.LocalAddr(), 2))
			r.receive(receiver, receiverToken, 2)
			r.send(receiver, packetsTo(sender.LocalAddr(), 2))
			if got := r.receive(sender, senderToken, 2); got[0].Remote != receiver.LocalAddr() {
				r.Errorf("packet from %v, want %v", got[0].Remote, receiver.LocalAddr())
			}
		}
	})
}

// closedPort is an address that nobody listens on.
func closedPort(r *rig, ip netip.Addr) netip.AddrPort {
	r.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	if err != nil {
		r.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestUDPWriteBatchStopsAtThePacketThatFails(t *testing.T) {
	eachFamily(t, func(r *rig, loopback netip.Addr) {
		sender, receiver := r.listenUDP(loopback, small, senderToken), r.listenUDP(loopback, small, receiverToken)
		packets := packetsTo(receiver.LocalAddr(), 5)
		packets[2].Data = make([]byte, 1<<16)
		n, err := sender.WriteBatch(packets)
		if n != 2 || !errors.Is(err, syscall.EMSGSIZE) {
			r.Fatalf("WriteBatch = %d, %v, want 2, %v", n, err, syscall.EMSGSIZE)
		}
		n, err = sender.WriteBatch(packets[2:])
		if n != 0 || !errors.Is(err, syscall.EMSGSIZE) {
			r.Errorf("WriteBatch of the rest = %d, %v, want 0, %v", n, err, syscall.EMSGSIZE)
		}
		r.send(sender, packets[3:])
		wants := []int{0, 1, 3, 4}
		got := r.receive(receiver, receiverToken, len(wants))
		for i, want := range wants {
			if got := int(binary.BigEndian.Uint32(got[i].Data)); got != want {
				r.Errorf("packet %d to arrive is number %d, want %d", i, got, want)
			}
			if got := packets[want].ID; got != uint32(i) {
				r.Errorf("packet %d to leave has ID %d", i, got)
			}
		}
	})
}

func TestUDPWriteBatchOfMoreThanABatchSendsABatch(t *testing.T) {
	each(t, func(r *rig) {
		loopback := netip.MustParseAddr("127.0.0.1")
		sender, receiver := r.listenUDP(loopback, small, senderToken), r.listenUDP(loopback, small, receiverToken)
		if n, err := sender.WriteBatch(packetsTo(receiver.LocalAddr(), batch+5)); n != batch || err != nil {
			r.Errorf("WriteBatch = %d, %v, want %d, nil", n, err, batch)
		}
		if n, err := sender.WriteBatch(nil); n != 0 || err != nil {
			r.Errorf("WriteBatch of nothing = %d, %v, want 0, nil", n, err)
		}
		r.receive(receiver, receiverToken, batch)
	})
}

func TestListeningErrorsNameTheAddress(t *testing.T) {
	listeners := map[string]func(r *rig, at netip.AddrPort) (used netip.AddrPort, err error){
		"udp": func(r *rig, at netip.AddrPort) (netip.AddrPort, error) {
			conn, _, err := r.ListenUDP(at, small, senderToken)
			if err != nil {
				return at, err
			}
			r.close = append(r.close, func() { _ = conn.Close() })
			return conn.LocalAddr(), nil
		},
		"tcp": func(r *rig, at netip.AddrPort) (netip.AddrPort, error) {
			l, err := r.ListenTCP(at, senderToken)
			if err != nil {
				return at, err
			}
			r.close = append(r.close, func() { _ = l.Close() })
			return l.LocalAddr(), nil
		},
	}
	for transport, listen := range listeners {
		t.Run(transport, func(t *testing.T) {
			each(t, func(r *rig) {
				used, err := listen(r, netip.MustParseAddrPort("127.0.0.1:0"))
				if err != nil {
					r.Fatal(err)
				}
				_, err = listen(r, used)
				wantError(r, err, syscall.EADDRINUSE, transport+" "+used.String())
				_, err = listen(r, netip.MustParseAddrPort("198.51.100.1:17171")) // RFC 5737: nobody's
				wantError(r, err, syscall.EADDRNOTAVAIL, transport+" 198.51.100.1:17171")
			})
		})
	}
}

func wantError(r *rig, err error, want syscall.Errno, words string) {
	r.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), words) {
		r.Errorf("error %v, want one with %q that is %v", err, words, want)
	}
}

func TestUDPClosedTwiceIsClosedOnce(t *testing.T) {
	each(t, func(r *rig) {
		conn := r.listenUDP(netip.MustParseAddr("127.0.0.1"), small, senderToken)
		peer := dialUDP(r, conn.LocalAddr())
		if _, err := peer.Write([]byte("x")); err != nil {
			r.Fatal(err)
		}
		r.awaitRead(senderToken)
		for range 2 {
			if err := conn.Close(); err != nil {
				r.Errorf("Close = %v, want nil", err)
			}
		}
		r.quiet() // although it was not read empty
	})
}
