package sys

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// udpSocket makes a non-blocking socket on a port of 127.0.0.1.
func udpSocket(t *testing.T) (fd int, local netip.AddrPort) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(sa.(*unix.SockaddrInet4).Port)
	return fd, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
}

// The batches must do the same, only slower, on a kernel without recvmmsg and sendmmsg.
func TestBatchesWithAndWithoutBatchCalls(t *testing.T) {
	tests := []struct {
		name                string
		send, receive       bool // single
		wantSent, wantTaken int  // by one call
	}{
		{"both batch calls", false, false, 3, 3},
		{"no sendmmsg", true, false, 1, 3},
		{"no recvmmsg", false, true, 3, 1},
		{"neither", true, true, 1, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			from, source := udpSocket(t)
			to, destination := udpSocket(t)
			send, receive := NewSendBatch(4), NewRecvBatch(4, 5)
			send.single, receive.single = tt.send, tt.receive
			payloads := []string{"one", "two", "longer"}
			for i, p := range payloads {
				send.Set(i, []byte(p), destination, Ancillary{From: source.Addr()})
			}
			for sent := 0; sent < len(payloads); {
				n, errno := send.Send(from, sent, len(payloads))
				if errno != 0 || n != min(tt.wantSent, len(payloads)-sent) {
					t.Fatalf("Send = %d, %v, want %d", n, errno, tt.wantSent)
				}
				sent += n
			}
			wantPayloads, wantTruncated := []string{"one", "two", "longe"}, []bool{false, false, true}
			for taken := 0; taken < len(payloads); {
				n, errno := receive.Recv(to, 4, 0)
				if errno != 0 || n != min(tt.wantTaken, len(payloads)-taken) {
					t.Fatalf("Recv = %d, %v, want %d", n, errno, tt.wantTaken)
				}
				for i := range n {
					payload, truncated := string(receive.Payload(i)), receive.Truncated(i)
					if payload != wantPayloads[taken+i] || truncated != wantTruncated[taken+i] {
						t.Errorf("message %d = %q, truncated %t", taken+i, payload, truncated)
					}
					if receive.Name(i) != source || len(receive.Control(i)) != unix.CmsgSpace(unix.SizeofInet4Pktinfo) {
						t.Errorf("message %d is from %v with %d octets of control messages",
							taken+i, receive.Name(i), len(receive.Control(i)))
					}
				}
				taken += n
			}
			if n, errno := receive.Recv(to, 4, 0); n != 0 || errno != unix.EAGAIN {
				t.Errorf("Recv of nothing = %d, %v, want 0, %v", n, errno, unix.EAGAIN)
			}
			if n, errno := receive.Recv(to, 0, 0); n != 0 || errno != 0 {
				t.Errorf("Recv of at most nothing = %d, %v, want 0, 0", n, errno)
			}
		})
	}
}

func TestSendStopsAtTheMessageThatFails(t *testing.T) {
	for _, single := range []bool{false, true} {
		from, _ := udpSocket(t)
		_, destination := udpSocket(t)
		send := NewSendBatch(3)
		send.single = single
		for i, to := range []netip.AddrPort{destination, netip.MustParseAddrPort("240.0.0.1:9"), destination} {
			send.Set(i, []byte("x"), to, Ancillary{})
		}
		if n, errno := send.Send(from, 0, 3); n != 1 || errno != 0 {
			t.Errorf("single %t: first Send = %d, %v, want 1, 0", single, n, errno)
		}
		if n, errno := send.Send(from, 1, 3); n != 0 || errno == 0 {
			t.Errorf("single %t: second Send = %d, %v, want 0 and an error", single, n, errno)
		}
		if n, errno := send.Send(from, 2, 3); n != 1 || errno != 0 {
			t.Errorf("single %t: third Send = %d, %v, want 1, 0", single, n, errno)
		}
		if n, errno := send.Send(from, 3, 3); n != 0 || errno != 0 {
			t.Errorf("single %t: Send of nothing = %d, %v, want 0, 0", single, n, errno)
		}
	}
}

// A port that was bound before may have something to read already.
func TestTryTakesNothing(t *testing.T) {
	fd, local := udpSocket(t)
	send, receive := NewSendBatch(1), NewRecvBatch(2, 5)
	send.Set(0, []byte("x"), local, Ancillary{})
	if n, errno := send.Send(fd, 0, 1); n != 1 || errno != 0 {
		t.Fatalf("Send = %d, %v, want 1, 0", n, errno)
	}
	for range 2 {
		if err := receive.Try(fd); err != nil {
			t.Fatal(err)
		}
	}
	if n, errno := receive.Recv(fd, 2, 0); n != 1 || errno != 0 {
		t.Errorf("Recv = %d, %v, want the packet that was there before", n, errno)
	}
}
