package packetio

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"golang.org/x/net/ipv4"
)

func TestCauseIsTheBareErrorNumber(t *testing.T) {
	wrap := func(err error) error { return &net.OpError{Op: "write", Net: "udp", Err: err} }
	unknown := errors.New("something else")
	tests := []struct {
		name      string
		err, want error
	}{
		{"nothing", nil, nil},
		{"a number in a system call's error", wrap(os.NewSyscallError("sendmsg", syscall.EMSGSIZE)), syscall.EMSGSIZE},
		{"Winsock's connection refused", wrap(syscall.Errno(10061)), syscall.ECONNREFUSED},
		{"Winsock's address in use", wrap(syscall.Errno(10048)), syscall.EADDRINUSE},
		{"an end", io.EOF, io.EOF},
		{"a deadline", wrap(os.ErrDeadlineExceeded), syscall.EAGAIN},
		{"what we do not know", unknown, unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := cause(tt.err); got != tt.want {
				t.Errorf("cause(%v) = %v, want %v", tt.err, got, tt.want)
			}
		})
	}
}

func TestNotImplementedIsToldFromFailures(t *testing.T) {
	tests := []struct {
		err  error
		want bool
	}{
		{nil, false},
		{syscall.EMSGSIZE, false},
		{net.ErrClosed, false},
		{os.ErrDeadlineExceeded, false},
		{os.NewSyscallError("recvmsg", errors.New("not implemented on windows/amd64")), true}, // x/net's words
	}
	for _, tt := range tests {
		if got := notImplemented(fmt.Errorf("wrapped: %w", tt.err)); tt.err != nil && got != tt.want {
			t.Errorf("notImplemented(%v) = %t, want %t", tt.err, got, tt.want)
		}
		if got := notImplemented(tt.err); got != tt.want {
			t.Errorf("notImplemented(%v) = %t, want %t", tt.err, got, tt.want)
		}
	}
}

// missingBatches is golang.org/x/net on a system where it has no batch calls.
type missingBatches struct{}

var errMissing = &net.OpError{Op: "read", Net: "udp", Err: errors.New("not implemented on this system")}

func (missingBatches) ReadBatch([]ipv4.Message, int) (int, error)  { return 0, errMissing }
func (missingBatches) WriteBatch([]ipv4.Message, int) (int, error) { return 0, errMissing }

func TestPortableConnDoesWithoutBatchCalls(t *testing.T) {
	var sockets Portable
	reports := make(chan struct{}, 10)
	report := func() { reports <- struct{}{} }
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	options := Options{MaxSize: 10, Batch: 4}
	c := newConn(conn, options)
	c.batches = missingBatches{}
	sockets.read(c, options, report)
	defer sockets.Wait()
	defer func() { _ = c.Close() }()
	out := []Packet{{Remote: c.local, Data: []byte("one")}, {Remote: c.local, Data: []byte("a longer one")}}
	if n, err := c.WriteBatch(out); n != 2 || err != nil {
		t.Fatalf("WriteBatch = %d, %v, want 2, nil", n, err)
	}
	in := make([]Packet, 4)
	for _, want := range []Packet{{Data: []byte("one")}, {Data: []byte("a longer o"), Cut: true}} {
		<-reports
		n, err := c.ReadBatch(in)
		if n != 1 || err != nil || string(in[0].Data) != string(want.Data) || in[0].Cut != want.Cut || in[0].Remote != c.local {
			t.Errorf("ReadBatch = %d, %v, %q from %v, Cut %t, want %q", n, err, in[0].Data, in[0].Remote, in[0].Cut, want.Data)
		}
	}
}

func TestLocalZonesAreNumbers(t *testing.T) {
	for _, text := range []string{"fe80::1%7", "fe80::1", "2001:db8::1", "192.0.2.1"} {
		ip := netip.MustParseAddr(text)
		want := 0
		if ip.Zone() != "" {
			want = 7
		}
		if got := scope(ip); got != want {
			t.Errorf("scope(%v) = %d, want %d", ip, got, want)
		}
	}
}
