package reflector

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// seeds are datagrams of which most are almost right.
var seeds = []string{
	"", "0", "|", "||||", "0|a|1768219134587069267|[]|", "100|prober|1768219134587069267|['isp:local']|0000000000",
	"7|x|1768219134587069267||<stamp?>000", "1|x|999999999999999999|[]|", "1|x|1000000000000000000|[]|",
	"1|x|9223372036854775807|[]|0", "1|x|9223372036854775808|[]|", "101|x|1768219134587069267|[]|",
	"1|" + strings.Repeat("n", 64) + "|1768219134587069267|[]|000", "1|x|1768219134587069267|['a', \"b'\", '\\x41']|",
	"1|x|1768219134587069267|[|", "1|a|b|1768219134587069267|[]|",
}

// refusals are where a datagram ends that is no probe, or not to be answered; one counter each.
var refusals = []selfstats.Counter{
	selfstats.ProbesMalformed, selfstats.ProbesOversized, selfstats.ProbesLooped, selfstats.SessionsRefused,
	selfstats.ProbesNotAllowed, selfstats.ProbesRateLimited, selfstats.ProbesUnauthenticated,
	selfstats.ProbesForged, selfstats.ProbesBadEstimate,
}

// Options of a fuzzed reflector and of the datagrams that it gets.
const (
	fuzzKeys = 1 << iota
	fuzzRequireAuth
	fuzzStateless
	fuzzAllow
	fuzzLimit
	fuzzPTP
	fuzzCut
	fuzzSign  // with the first key
	fuzzTamed // STAMP with a multiplier and a time that pass
	fuzzAddresses
)

func fuzzedStamp(options uint16) (s Stamp) {
	if options&(fuzzKeys|fuzzSign) != 0 {
		s.Keys = [][]byte{[]byte("another key"), []byte(testKey)}
		s.RequireAuth = options&fuzzRequireAuth != 0
	}
	s.Stateless = options&fuzzStateless != 0
	if options&fuzzAllow != 0 {
		s.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/31")}
	}
	if options&fuzzLimit != 0 {
		s.RateLimit = 5
	}
	if options&fuzzPTP != 0 {
		s.Format, s.UTCOffset = stamp.PTP, 37*time.Second
	}
	return s
}

// FuzzDatagram: the whole packet handler. Every datagram ends in exactly one counter; whatever it is,
// there are no more sessions than there may be, and no reply longer than its request but for those that
// are allowed; and no reply is answered.
func FuzzDatagram(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), []byte("3|other|1768219134587069267|[]|0000"), uint16(0))
	}
	all := allTLVs(f)
	for _, options := range []uint16{0, fuzzKeys, fuzzSign | fuzzRequireAuth, fuzzStateless, fuzzAllow | fuzzLimit, fuzzPTP | fuzzAddresses} {
		f.Add(stampPacket(f, stampProbe{seq: 1, ssid: 7, tlvs: all}), stampPacket(f, stampProbe{seq: 2}), options)
		f.Add(stampPacket(f, stampProbe{seq: 1, ssid: 7, key: testKey, tlvs: all}), []byte("9|x|1768219134587069267||<stamp?>"), options)
		f.Add(stampPacket(f, stampProbe{})[:14], stampPacket(f, stampProbe{seq: 9})[:41], options)
	}
	malformed := []byte{0x80, byte(stamp.TypeSessionIdentity), 0, 0, 0, byte(stamp.TypeClassOfService), 0, 0}
	f.Add(stampPacket(f, stampProbe{tlvs: malformed}), stampPacket(f, stampProbe{seq: 1, key: testKey, tlvs: malformed}), uint16(fuzzKeys|fuzzTamed))
	f.Fuzz(func(t *testing.T, first, second []byte, options uint16) {
		r, network, counters := newFakeWith(t, fuzzedStamp(options))
		sent, replies := uint64(0), []packetio.Packet(nil)
		give := func(p packetio.Packet) []packetio.Packet {
			network.conn.sent, network.conn.replies = nil, nil
			network.conn.incoming = []packetio.Packet{p}
			r.Ready(loop.Ready{Token: token(udpSocket, 0, 0), Read: true, Notice: true}, readBatch)
			sent++
			return network.conn.sent
		}
		for i, data := range [][]byte{first, second, first, second, first, second} {
			p := packetio.Packet{
				Data: fuzzed(t, data, uint32(i), options), Remote: fakeRemote, Local: fakeLocal, At: clock.WallNow(),
				Stamp: measurement.SourceKernel, Cut: options&fuzzCut != 0 && i == 0, TTL: uint8(i), TOS: uint8(options),
			}
			if options&fuzzAddresses != 0 {
				p.Remote = netip.AddrPortFrom(p.Remote.Addr(), uint16(1000+i))
			}
			got := give(p)
			checkReplies(t, &p, options, got)
			for _, reply := range got {
				network.conn.notices = append(network.conn.notices, packetio.Notice{Transmitted: clock.WallNow(), ID: reply.ID})
			}
			replies = append(replies, got...)
			if open := r.sessions.open(); open > 4 || len(r.sessions.flows)+len(r.sessions.udp) != open {
				t.Fatalf("%d sessions, of which %d of STAMP and %d of text are known", open, len(r.sessions.flows), len(r.sessions.udp))
			}
		}
		for i, reply := range replies {
			reply.Remote, reply.At = netip.AddrPortFrom(fakeRemote.Addr(), uint16(2000+i)), clock.WallNow()
			again := give(reply)
			if _, err := textproto.Decode(reply.Data); err != nil && len(again) > 0 {
				t.Errorf("reply %q to our own reply %q", again[0].Data, reply.Data)
			}
		}
		accounted := counters.Get(selfstats.ProbesReceived)
		for _, c := range refusals {
			accounted += counters.Get(c)
		}
		if accounted != sent {
			t.Errorf("%d of %d datagrams accounted for", accounted, sent)
		}
		if counters.Get(selfstats.ProbesReceived) < counters.Get(selfstats.ProbesReflected) {
			t.Error("more probes reflected than received")
		}
	})
}

// fuzzed makes a datagram of the fuzzer's octets, with what it would not find by itself.
func fuzzed(t *testing.T, data []byte, seq uint32, options uint16) []byte {
	data = bytes.Clone(data)
	if options&(fuzzSign|fuzzTamed) == 0 {
		return data
	}
	mode, key := stamp.Unauthenticated, []byte(nil)
	if options&fuzzSign != 0 {
		mode, key = stamp.Authenticated, []byte(testKey)
		clear(data[min(len(data), 4):min(len(data), 16)])
	}
	codec, err := stamp.NewCodec(mode, key)
	if err != nil {
		t.Fatal(err)
	}
	at := int64(clock.WallNow()) + int64(seq)*int64(time.Millisecond)
	_ = codec.StampSender(data, seq, stamp.NTP.Timestamp(at, 0), 1) // too short: it stays as it is
	return data
}

func checkReplies(t *testing.T, p *packetio.Packet, options uint16, replies []packetio.Packet) {
	t.Helper()
	if len(replies) == 0 {
		return
	}
	request, reply := p.Data, replies[0].Data
	if len(replies) > 1 || replies[0].Remote != p.Remote || replies[0].Local != p.Local {
		t.Fatalf("replies %+v to %+v", replies, p)
	}
	m, err := textproto.Decode(request)
	if err != nil {
		short := options&fuzzAllow != 0 && len(request) < shortReply && len(reply) == stamp.BaseSize
		if len(reply) != len(request) && !short || replies[0].TTL != replyTTL {
			t.Errorf("reply of %d octets, TTL %d, to %d octets", len(reply), replies[0].TTL, len(request))
		}
		return
	}
	longest := len(request)
	if padding := len(m.Padding); m.AsksStamp() || padding < len(ourName)-len(m.Name) {
		if m.AsksStamp() {
			padding -= len(textproto.StampAnswer)
		}
		longest = max(longest, len(request)-padding+len(ourName)-len(m.Name))
	}
	if len(reply) > longest {
		t.Errorf("reply %q of %d octets to %q, want %d at most", reply, len(reply), request, longest)
	}
	if want := string(textproto.AppendStampReply(nil, m, ourName, int64(p.At))); string(reply) != want {
		t.Errorf("reply %q, want %q", reply, want)
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
