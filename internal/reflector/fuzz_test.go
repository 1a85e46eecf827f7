package reflector

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// seeds are datagrams of which most are almost right.
var seeds = []string{
	"", "0", "|", "||||", "0|a|1768219134587069267|[]|", "100|prober|1768219134587069267|['isp:local']|0000000000",
	"7|x|1768219134587069267||<stamp?>000", "1|x|999999999999999999|[]|", "1|x|1000000000000000000|[]|",
	"1|x|9223372036854775807|[]|0", "1|x|9223372036854775808|[]|", "101|x|1768219134587069267|[]|",
	"1|" + strings.Repeat("n", 64) + "|1768219134587069267|[]|000", "1|x|1768219134587069267|['a', \"b'\", '\\x41']|",
	"1|x|1768219134587069267|[|", "1|a|b|1768219134587069267|[]|",
}

// FuzzDatagram: whatever comes, it is counted exactly once, and no reply is longer than its request,
// but for the difference of the names where there is no padding left.
func FuzzDatagram(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), []byte("3|other|1768219134587069267|[]|0000"), false)
	}
	f.Fuzz(func(t *testing.T, first, second []byte, cut bool) {
		r, network, counters := newFake(t)
		for i, data := range [][]byte{first, second, first} {
			network.conn.replies = nil
			network.conn.incoming = []packetio.Packet{{
				Data: data, Remote: fakeRemote, Local: netip.Addr{}, At: t2, Stamp: measurement.SourceKernel, Cut: cut && i == 0,
			}}
			r.Ready(loop.Ready{Token: token(udpSocket, 0, 0), Read: true}, readBatch)
			checkReplies(t, data, network.conn.replies)
			accounted := counters.Get(selfstats.ProbesReceived) + counters.Get(selfstats.ProbesMalformed) +
				counters.Get(selfstats.ProbesOversized) + counters.Get(selfstats.SessionsRefused)
			if accounted != uint64(i+1) {
				t.Errorf("%d of %d datagrams accounted for", accounted, i+1)
			}
			if counters.Get(selfstats.ProbesReceived) != counters.Get(selfstats.ProbesReflected) {
				t.Error("a probe was received and not reflected")
			}
		}
	})
}

func checkReplies(t *testing.T, request []byte, replies []string) {
	t.Helper()
	if len(replies) == 0 {
		return
	}
	m, err := textproto.Decode(request)
	if err != nil || len(replies) > 1 {
		t.Fatalf("replies %q to %q (%v)", replies, request, err)
	}
	longest := len(request)
	if len(m.Padding) < len(ourName)-len(m.Name) {
		longest = len(request) - len(m.Padding) + len(ourName) - len(m.Name)
	}
	if len(replies[0]) > longest {
		t.Errorf("reply %q of %d octets to %q, want %d at most", replies[0], len(replies[0]), request, longest)
	}
	if want := string(textproto.AppendReply(nil, m, ourName, int64(t2))); replies[0] != want {
		t.Errorf("reply %q, want %q", replies[0], want)
	}
}

// FuzzStream: however a stream is cut and however slowly its replies are read, every probe is
// answered once, in order, and in the end the connection is closed once and nothing of it is left.
func FuzzStream(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), []byte(s), uint16(7), uint32(1<<16))
	}
	f.Add([]byte(strings.Repeat("0|x|1768219134587069267|[]|0", 100)), []byte("1|x|1768219134587069267|[]|"), uint16(100), uint32(500))
	f.Fuzz(func(t *testing.T, first, second []byte, cut uint16, room uint32) {
		r, network, counters := newFake(t)
		all := append(bytes.Clone(first), second...)
		s := &fakeStream{chunks: [][]byte{first, second}, room: int(room)}
		if size := int(cut); size > 0 {
			s.chunks = nil
			for rest := bytes.Clone(all); len(rest) > 0; {
				n := min(size, len(rest))
				s.chunks, rest = append(s.chunks, rest[:n]), rest[n:]
			}
		}
		network.stream = s
		r.Ready(loop.Ready{Token: token(listenSocket, 0, 0), Read: true}, readBatch)
		for range len(all) + 2 {
			r.Ready(loop.Ready{Token: s.token, Read: true}, readBatch)
			if p := r.peers[0]; p != nil && (len(p.unread.octets) > r.unreadLimit() || r.unread != p.unread.memory()) {
				t.Fatalf("%d octets of replies wait in %d octets of memory", len(p.unread.octets), r.unread)
			}
		}
		if s.closed != 1 || r.connected != 0 || r.unread != 0 {
			t.Fatalf("closed %d times, %d connections and %d octets left", s.closed, r.connected, r.unread)
		}
		if opened, ended := counters.Get(selfstats.SessionsOpened), counters.Get(selfstats.SessionsExpired); opened != ended {
			t.Errorf("%d sessions opened and %d ended", opened, ended)
		}
		checkStream(t, s, counters)
	})
}

// checkStream checks that the replies are whole ones, as many as were counted; the last may be cut.
func checkStream(t *testing.T, s *fakeStream, counters *selfstats.Block) {
	t.Helper()
	scanner := textproto.NewScanner(max(len(s.replies), 1))
	copy(scanner.Free(), s.replies)
	scanner.Fed(len(s.replies))
	found := uint64(0)
	for {
		m, ok, err := scanner.Next()
		if err != nil {
			t.Fatalf("replies %q: %v", s.replies, err)
		}
		if !ok {
			break
		}
		if string(m.Name) != ourName || m.Timestamp != int64(t2) {
			t.Fatalf("reply of %q at %d", m.Name, m.Timestamp)
		}
		found++
	}
	reflected, failed := counters.Get(selfstats.ProbesReflected), counters.Get(selfstats.ReflectFailed)
	if found < reflected || found > reflected+1 || found > reflected && s.room > 0 { // padding may have been cut
		t.Errorf("%d replies with room for %d octets more, want %d", found, s.room, reflected)
	}
	if failed > 0 && s.room > 0 {
		t.Errorf("%d replies failed with room for %d octets", failed, s.room)
	}
	if received := counters.Get(selfstats.ProbesReceived); received != reflected+failed {
		t.Errorf("%d probes received, %d reflected and %d failed", received, reflected, failed)
	}
}
