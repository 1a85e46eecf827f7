package reflector

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
)

// connect has the Reflector accept a stream on which these chunks come.
func connect(r *Reflector, network *fakeNetwork, room int, chunks ...[]byte) *fakeStream {
	s := &fakeStream{chunks: chunks, room: room}
	network.stream = s
	r.Ready(loop.Ready{Token: token(listenSocket, 0, 0), Read: true}, readBatch)
	r.Ready(loop.Ready{Token: s.token}, readBatch) // ready for nothing: it gets its scanner
	return s
}

// of the size that a probe, and with padding its reply, shall have.
func sized(size int) request {
	q := request{name: "x", t1: oldest, tags: "[]"}
	q.padding = strings.Repeat("0", size-len(q.bytes()))
	return q
}

func TestReplyIsReflectedOnceItIsWrittenWhole(t *testing.T) {
	const size = 100
	r, network, counters := newFake(t)
	s := connect(r, network, 0, bytes.Repeat(sized(size).bytes(), 3))
	check := func(when string, reflected, failed uint64, waits bool) {
		t.Helper()
		got := counters.Get(selfstats.ProbesReflected)
		if lost := counters.Get(selfstats.ReflectFailed); got != reflected || lost != failed || s.waits != waits {
			t.Errorf("%s: %d reflected, %d failed, waits %t, want %d, %d, %t", when, got, lost, s.waits, reflected, failed, waits)
		}
	}
	p := r.peers[0]
	r.read(p)
	check("without room", 0, 0, true)
	for _, step := range []struct {
		room      int
		reflected uint64
	}{{99, 0}, {1, 1}, {50, 1}, {149, 2}} {
		s.room = step.room
		r.Ready(loop.Ready{Token: s.token, Write: true}, readBatch)
		check("while there is room now and then", step.reflected, 0, true)
	}
	s.chunks = [][]byte{sized(size).bytes()}
	r.read(p)
	check("with one more", 2, 0, true)
	s.room = 1
	r.Ready(loop.Ready{Token: s.token, Write: true}, readBatch)
	check("after the third", 3, 0, true)
	r.read(p) // its end
	if s.closed != 1 {
		t.Error("not closed")
	}
	check("after the end", 3, 1, true)
}

func TestMemoryOfRepliesIsReleasedOnceTheyAreWritten(t *testing.T) {
	r, network, counters := newFake(t)
	s := connect(r, network, 0, slices.Repeat([][]byte{sized(1000).bytes()}, 10)...)
	for range 10 {
		r.read(r.peers[0])
	}
	if p := r.peers[0]; r.unread < 10_000 || r.unread != p.unread.memory() {
		t.Errorf("%d octets hold the replies, the peer has %d, want 10000 or more", r.unread, p.unread.memory())
	}
	s.room = 1 << 20
	r.Ready(loop.Ready{Token: s.token, Write: true}, readBatch)
	if p := r.peers[0]; r.unread != 0 || p.unread.memory() != 0 || s.waits {
		t.Errorf("%d octets are held, %d by the peer, waits %t", r.unread, p.unread.memory(), s.waits)
	}
	if n := counters.Get(selfstats.ProbesReflected); n != 10 {
		t.Errorf("%d probes reflected, want 10", n)
	}
}

func TestRepliesThatMayWaitForOnePeer(t *testing.T) {
	for maxSize, want := range map[int]int{64: unreadFloor, 1470: unreadFloor, 65535: 2 * 65535} {
		r, network, counters := newFake(t)
		r.config.MaxSize = maxSize
		size := min(maxSize, 1000)
		s := connect(r, network, 0, slices.Repeat([][]byte{sized(size).bytes()}, want/size+1)...)
		for range want / size {
			r.read(r.peers[0])
		}
		if s.closed > 0 {
			t.Fatalf("max_size %d: closed before %d octets waited", maxSize, want)
		}
		r.read(r.peers[0])
		if n := counters.Get(selfstats.ConnectionsStalled); s.closed != 1 || n != 1 {
			t.Errorf("max_size %d: closed %d times and counted %d times when more than %d octets waited", maxSize, s.closed, n, want)
		}
		if n := counters.Get(selfstats.ReflectFailed); n != uint64(want/size+1) {
			t.Errorf("max_size %d: %d replies failed, want all %d", maxSize, n, want/size+1)
		}
	}
}

func TestRepliesThatMayWaitForAllPeers(t *testing.T) {
	const size, each = 1000, 10
	r, network, counters := newFake(t)
	r.config.MaxSessions, r.sessions.limit = 4096, 4096
	good := connect(r, network, 1<<20)
	accepted := 1
	for counters.Get(selfstats.ConnectionsStalled) == 0 {
		if accepted++; accepted > r.config.MaxSessions {
			t.Fatal("there is no limit")
		}
		s := connect(r, network, 0, bytes.Repeat(sized(size).bytes(), each))
		p := r.peers[accepted-1]
		for len(s.chunks[0]) > 0 && s.closed == 0 {
			r.read(p)
		}
		if r.unread > unreadTotal+4*unreadFloor {
			t.Fatalf("%d octets of replies wait", r.unread)
		}
	}
	if least := unreadTotal / (4 * size * each); accepted < least {
		t.Errorf("%d connections until there were too many replies, want %d or more", accepted, least)
	}
	if r.connected != accepted-1 {
		t.Errorf("%d of %d connections are left, want all but the last", r.connected, accepted)
	}
	good.chunks = [][]byte{sized(size).bytes()}
	r.read(r.peers[0])
	if len(good.replies) != size {
		t.Errorf("reply of %d octets to who reads, want %d", len(good.replies), size)
	}
	for _, p := range slices.Clone(r.peers) {
		if p != nil {
			r.hangUp(p)
		}
	}
	if r.unread != 0 {
		t.Errorf("%d octets held without connections", r.unread)
	}
	if received := counters.Get(selfstats.ProbesReceived); received != counters.Get(selfstats.ProbesReflected)+counters.Get(selfstats.ReflectFailed) {
		t.Errorf("%d probes received, %d reflected, %d failed", received,
			counters.Get(selfstats.ProbesReflected), counters.Get(selfstats.ReflectFailed))
	}
}

func FuzzRepliesAreCountedInOrder(f *testing.F) {
	f.Add([]byte{1, 2, 3}, []byte{10, 200, 1})
	f.Fuzz(func(t *testing.T, paddings, writes []byte) {
		var q replies
		var ends []int
		for _, n := range paddings {
			q.add(textproto.Message{Timestamp: oldest, Padding: make([]byte, n)}, "x", oldest)
			ends = append(ends, len(q.octets))
		}
		total, whole := 0, 0
		for _, n := range writes {
			n := min(int(n), len(q.octets))
			total += n
			whole += q.written(n)
			want, _ := slices.BinarySearch(ends, total+1)
			if whole != want || len(q.lengths) != len(ends)-want || q.memory() < len(q.octets) {
				t.Fatalf("after %d octets %d replies are whole and %d are left, want %d of %d", total, whole, len(q.lengths), want, len(ends))
			}
		}
	})
}
