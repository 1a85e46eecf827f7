package main_test

import (
	"encoding/binary"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// Probes as short as TWAMP Light's are answered by more than came. That is for sources that the list
// names only.
func TestShortProbeIsAnsweredOnlyIfItsSourceIsNamed(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testShortProbeIsAnsweredOnlyIfItsSourceIsNamed)
}

func testShortProbeIsAnsweredOnlyIfItsSourceIsNamed(t *testing.T, m mode) {
	for _, test := range []struct {
		name, config string
		wantReply    int // octets, of that to a probe of 14
	}{
		{"no list", "", 0},
		{"a list", "allow = [\"127.0.0.0/8\"]\n", 44},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			config, _, port := onLoopback(t)
			b := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "b", config: config + test.config})
			conn, err := net.Dial("udp", net.JoinHostPort(loopback, strconv.Itoa(port)))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			// The second is long enough for anybody, so its reply is the last.
			for i, size := range []int{14, 50} {
				send(t, conn, string(shortProbe(byte(i), size)))
			}
			var got []int
			for len(got) == 0 || got[len(got)-1] != 50 {
				got = append(got, receiveSize(t, conn))
			}
			_, c := b.stop()
			if test.wantReply == 0 {
				c.want("probes_not_allowed", 1, "probes_reflected", 1)
				if len(got) != 1 {
					t.Errorf("replies of %v octets, want one of 50", got)
				}
				return
			}
			c.want("probes_not_allowed", 0, "probes_reflected", 2)
			if len(got) != 2 || got[0] != test.wantReply {
				t.Errorf("replies of %v octets, want %d and 50", got, test.wantReply)
			}
		})
	}
}

// shortProbe is an unauthenticated probe of now with a number, and zeros behind the fields (RFC 8762
// section 4.2.1).
func shortProbe(number byte, size int) []byte {
	probe := make([]byte, size)
	binary.BigEndian.PutUint32(probe, uint32(number))
	binary.BigEndian.PutUint64(probe[4:], uint64(stamp.NTP.Timestamp(time.Now().UnixNano(), 0)))
	binary.BigEndian.PutUint16(probe[12:], uint16(stamp.NewErrorEstimate(time.Millisecond, stamp.NTP)))
	return probe
}

// receiveSize is the size of the next datagram.
func receiveSize(t *testing.T, conn net.Conn) int {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(waittest.Patience())); err != nil {
		t.Fatal(err)
	}
	n, err := conn.Read(make([]byte, 1<<16))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
