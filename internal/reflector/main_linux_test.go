package reflector

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// TestMain keeps a socket with timestamps open meanwhile. The kernel stamps packets only as long as there
// is one in the whole system, and begins with it a little later than it is asked for (net_enable_timestamp
// in net/core/dev.c, Linux 6.18): a test whose socket is the first would see packets without.
func TestMain(m *testing.M) {
	if err := awaitTimestamps(); err != nil {
		fmt.Fprintln(os.Stderr, "waiting for kernel timestamps:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func awaitTimestamps() error {
	p, err := loop.NewEpoll()
	if err != nil {
		return err
	}
	conn, _, err := p.ListenUDP(netip.AddrPortFrom(loopback, 0), packetio.Options{MaxSize: 1, Batch: 1}, 1)
	if err != nil {
		return err
	}
	out, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(conn.LocalAddr()))
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	packets := make([]packetio.Packet, 1)
	for deadline := time.Now().Add(waittest.Patience()); time.Now().Before(deadline); {
		if _, err := out.Write([]byte("x")); err != nil {
			return err
		}
		n, err := conn.ReadBatch(packets)
		if err != nil || n == 1 && packets[0].Stamp == measurement.SourceKernel {
			return err
		}
	}
	return os.ErrDeadlineExceeded
}
