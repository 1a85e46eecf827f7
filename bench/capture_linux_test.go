package bench

import (
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

const (
	// captureRoom is how many octets of packets may wait to be read from a capture, as the kernel counts
	// them: a small one takes about 1000.
	captureRoom = 64 << 20
	// captureReads is how often a capture is read. Nobody waits on its socket, so a packet wakes nobody on its way.
	captureReads = 50 * time.Millisecond
	// mostCaptureLoss is the share of packets that a capture may miss. Those match with nothing, and say nothing.
	mostCaptureLoss = 0.01
)

// frame is a datagram over UDP and IPv4 as a capture saw it.
type frame struct {
	at       int64 // nanoseconds since the Unix epoch, by the kernel
	outgoing bool
	from, to uint16 // ports
	data     []byte
}

// capture is a packet socket on one device: it has a packet that comes with the same receive timestamp as the
// sockets above, and one that leaves with a timestamp taken just before the driver gets it.
type capture struct {
	b         testing.TB
	fd        int
	end, done chan struct{}
	closed    bool
	frames    []frame
	err       error
}

// captureOn begins to keep what comes and leaves at one end of a link, until stop or the end of the benchmark.
func captureOn(b testing.TB, e netnstest.End) *capture {
	b.Helper()
	c := &capture{b: b, end: make(chan struct{}), done: make(chan struct{})}
	if err := e.Host.Do(func() error { return c.open(e.Device) }); err != nil {
		b.Fatalf("capture on %s: %v", e.Device, err)
	}
	b.Cleanup(c.close)
	go c.run()
	return c
}

func (c *capture) open(device string) (err error) {
	if c.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = unix.Close(c.fd)
		}
	}()
	for option, value := range map[int]int{unix.SO_RCVBUFFORCE: captureRoom, unix.SO_TIMESTAMPNS_NEW: 1} {
		if err := unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, option, value); err != nil {
			return err
		}
	}
	on, err := net.InterfaceByName(device)
	if err != nil {
		return err
	}
	// Only sockets for all protocols see what leaves (packet(7)).
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	return unix.Bind(c.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: on.Index})
}

func (c *capture) run() {
	defer close(c.done)
	tick := time.NewTicker(captureReads)
	defer tick.Stop()
	for c.err == nil {
		select {
		case <-tick.C:
			c.read()
		case <-c.end:
			c.read()
			return
		}
	}
}

// read takes all packets that wait.
func (c *capture) read() {
	var buf [2048]byte
	var control [64]byte
	for {
		n, m, _, from, err := unix.Recvmsg(c.fd, buf[:], control[:], 0)
		if err == unix.EAGAIN {
			return
		}
		if err != nil {
			c.err = err
			return
		}
		f, ok := parseFrame(buf[:n])
		if !ok {
			continue
		}
		if f.at, c.err = kernelTime(control[:m]); c.err != nil {
			return
		}
		f.outgoing = from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING
		c.frames = append(c.frames, f)
	}
}

// kernelTime is the time in a packet's control messages: struct __kernel_timespec { s64 tv_sec, tv_nsec; }.
func kernelTime(control []byte) (int64, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0, err
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS_NEW && len(m.Data) >= 16 {
			seconds, nanos := binary.NativeEndian.Uint64(m.Data), binary.NativeEndian.Uint64(m.Data[8:])
			return int64(seconds)*1e9 + int64(nanos), nil
		}
	}
	return 0, fmt.Errorf("a packet without a timestamp")
}

// parseFrame reads an IPv4 packet (RFC 791 section 3.1) that holds a datagram (RFC 768).
func parseFrame(p []byte) (f frame, ok bool) {
	if len(p) < 20 || p[0]>>4 != 4 || p[9] != unix.IPPROTO_UDP {
		return f, false
	}
	header := int(p[0]&15) * 4
	if len(p) < header+8 {
		return f, false
	}
	p = p[header:]
	f.from, f.to = binary.BigEndian.Uint16(p), binary.BigEndian.Uint16(p[2:])
	f.data = append([]byte(nil), p[8:]...)
	return f, true
}

// stop ends the capture and returns what it has, in the order of the kernel.
func (c *capture) stop() []frame {
	c.b.Helper()
	close(c.end)
	<-c.done
	defer c.close()
	if c.err != nil {
		c.b.Fatalf("capture: %v", c.err)
	}
	stats, err := unix.GetsockoptTpacketStats(c.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		c.b.Fatalf("capture: %v", err)
	}
	if float64(stats.Drops) > mostCaptureLoss*float64(stats.Packets) {
		c.b.Fatalf("the capture missed %d of %d packets", stats.Drops, stats.Packets)
	}
	return c.frames
}

// close ends a capture that was not stopped.
func (c *capture) close() {
	if c.closed {
		return
	}
	c.closed = true
	select {
	case <-c.end:
	default:
		close(c.end)
	}
	<-c.done
	_ = unix.Close(c.fd)
}
