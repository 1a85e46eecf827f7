package reflector

import (
	"bytes"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

func TestTCPProbeIsAnsweredAndMeasured(t *testing.T) {
	eachFamily(t, func(r *rig) {
		s := r.dial()
		q := probe(9)
		q.padding = strings.Repeat("0", 100)
		sent := q.bytes()
		before := time.Now().UnixNano()
		s.send(sent)
		got := make([]byte, len(sent)) // our name is the longer one: padding makes up for it
		_ = s.SetReadDeadline(time.Now().Add(waittest.Patience()))
		if _, err := io.ReadFull(s, got); err != nil {
			r.Fatal(err)
		}
		after := time.Now().UnixNano()
		request, _ := textproto.Decode(sent)
		reply, err := textproto.Decode(got)
		if err != nil {
			r.Fatalf("Decode(%q): %v", got, err)
		}
		if want := textproto.AppendReply(nil, request, ourName, reply.Timestamp); !bytes.Equal(got, want) {
			r.Errorf("reply to %q = %q, want %q", sent, got, want)
		}
		if _, identity := r.identity(); identity != "prober|['isp:local']" {
			r.Errorf("identity %q", identity)
		}
		owd := r.metric(measurement.TCPOWD)
		if owd.T1 != q.t1 || owd.T2 != reply.Timestamp || owd.Value != owd.T2-owd.T1 || owd.Seq != 9 || owd.Received != r.stamp {
			r.Errorf("sample %+v, want T1 %d, T2 %d, seq 9, stamped by %v", owd, q.t1, reply.Timestamp, r.stamp)
		}
		if owd.T2 < before || owd.T2 > after {
			r.Errorf("T2 %d, want between %d and %d", owd.T2, before, after)
		}
	})
}

func TestTCPProbesAreAnsweredInOrderHoweverTheyAreCut(t *testing.T) {
	const probes = 20
	for name, size := range map[string]int{"merged": 1 << 20, "octet by octet": 1, "in sevens": 7, "in hundreds": 100} {
		t.Run(name, func(t *testing.T) {
			each(t, func(r *rig) {
				s := r.dial()
				var all []byte
				for i := range probes {
					q := probe(i)
					q.padding = strings.Repeat("0", i*5)
					all = append(all, q.bytes()...)
				}
				for piece := range slices.Chunk(all, size) {
					s.send(piece)
				}
				for i := range probes {
					if m := s.receive(); m.Seq != i || string(m.Name) != ourName {
						r.Fatalf("reply %d = %d|%s", i, m.Seq, m.Name)
					}
				}
				r.counted(selfstats.ProbesReflected, probes)
				r.counts(selfstats.ProbesMalformed, 0)
				r.counts(selfstats.SessionsOpened, 1)
			})
		})
	}
}

func TestTCPGarbageEndsTheConnectionAfterGoodProbesAreAnswered(t *testing.T) {
	each(t, func(r *rig) {
		s := r.dial()
		s.send(append(probe(1).bytes(), "GET / HTTP/1.1\r\n\r\n"...))
		if m := s.receive(); m.Seq != 1 {
			r.Errorf("reply number %d, want 1", m.Seq)
		}
		s.ends()
		r.counted(selfstats.SessionsExpired, 1)
		r.counts(selfstats.ProbesMalformed, 1)
		r.counts(selfstats.ProbesReflected, 1)
		r.metric(measurement.TCPOWD)
		end := r.take("an end", func(s *measurement.Sample) bool { return s.Kind == measurement.KindEnd })
		if end.Session < measurement.ReflectedIDs {
			r.Errorf("end of session %d", end.Session)
		}
	})
}

func TestTCPMalformedTagsEndTheConnectionAndItsSession(t *testing.T) {
	each(t, func(r *rig) {
		s := r.dial()
		s.send(probe(1).bytes())
		s.receive()
		bad := probe(2)
		bad.tags = "['"
		s.send(bad.bytes())
		s.ends()
		r.counted(selfstats.SessionsExpired, 1)
		r.counts(selfstats.ProbesMalformed, 1)
	})
}

func TestTCPProbeWithTimestampBefore2001IsNotAnswered(t *testing.T) {
	each(t, func(r *rig) {
		s := r.dial()
		old := probe(1)
		old.t1 = oldest - 1
		s.send(append(old.bytes(), probe(2).bytes()...))
		if m := s.receive(); m.Seq != 2 {
			r.Errorf("reply number %d, want 2", m.Seq)
		}
		r.counts(selfstats.ProbesMalformed, 1)
	})
}

func TestTCPPeerThatDoesNotReadIsHungUpOn(t *testing.T) {
	each(t, func(r *rig) {
		s := r.dial()
		_ = s.SetWriteDeadline(time.Now().Add(waittest.Patience()))
		q := probe(0)
		q.padding = strings.Repeat("0", 1400-len(q.bytes()))
		all := bytes.Repeat(q.bytes(), 64)
		for {
			if _, err := s.Write(all); isTimeout(err) {
				r.Fatal("the connection takes no more, but is still there")
			} else if err != nil {
				break
			}
		}
		r.counted(selfstats.SessionsExpired, 1)
		r.counts(selfstats.ConnectionsStalled, 1)
		r.client().answered()
		r.stop()
		if r.connected != 0 || r.unread != 0 {
			r.Errorf("%d connections and %d octets of replies left", r.connected, r.unread)
		}
		received, reflected := r.counters.Get(selfstats.ProbesReceived), r.counters.Get(selfstats.ProbesReflected)
		failed := r.counters.Get(selfstats.ReflectFailed)
		if failed == 0 || received != reflected+failed {
			r.Errorf("%d probes received, %d reflected and %d failed", received, reflected, failed)
		}
	})
}

// A peer may send much at once, after the network let it wait; that is no reason to hang up.
func TestTCPRepliesToManyProbesAtOnceAreNotTooMany(t *testing.T) {
	c := testConfig(loopback)
	c.MaxSize = 65535
	eachWith(t, c, func(r *rig) {
		q := request{name: "x", t1: time.Now().UnixNano()}
		const probes = 5000 // of which a read makes more than MaxSize octets of replies
		s := r.dial()
		s.send(bytes.Repeat(q.bytes(), probes))
		for i := range probes {
			if m := s.receive(); m.Seq != 0 {
				r.Fatalf("reply %d: number %d, want 0", i, m.Seq)
			}
		}
		r.counts(selfstats.ReflectFailed, 0)
	})
}

func TestTCPConnectionsBeyondTheLimitAreRefused(t *testing.T) {
	c := testConfig(loopback)
	c.MaxSessions = 2
	eachWith(t, c, func(r *rig) {
		first, second := r.dial(), r.dial()
		for _, s := range []*stream{first, second} {
			s.send(probe(1).bytes())
			s.receive()
		}
		for range 3 {
			conn, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(r.tcp))
			if err != nil {
				continue // reset before we saw it
			}
			(&stream{r.T, conn, nil}).ends()
			_ = conn.Close()
		}
		r.counted(selfstats.ConnectionsRefused, 3)
		for _, s := range []*stream{first, second} {
			s.send(probe(2).bytes())
			s.receive()
		}
		_ = first.Close()
		r.counted(selfstats.SessionsExpired, 1)
		third := r.dial()
		third.send(probe(1).bytes())
		third.receive()
		r.counts(selfstats.ConnectionsAccepted, 6)
	})
}

func TestTCPResetByPeerEndsTheSession(t *testing.T) {
	each(t, func(r *rig) {
		s := r.dial()
		s.send(probe(1).bytes())
		s.receive()
		_ = s.SetLinger(0)
		_ = s.Close()
		r.counted(selfstats.SessionsExpired, 1)
		r.counts(selfstats.ConnectionsFailed, 1)

		probe := r.dial() // a connect probe
		_ = probe.SetLinger(0)
		_ = probe.Close()
		r.counted(selfstats.ConnectionsAccepted, 2)
		r.client().answered()
		waittest.Until(t, "no connection", func() bool { return r.counters.Get(selfstats.ConnectionsAccepted) == 2 })
		r.stop()
		if r.connected != 0 || len(r.freePeers) != len(r.peers) {
			r.Errorf("%d connections and %d of %d places left", r.connected, len(r.freePeers), len(r.peers))
		}
		r.counts(selfstats.ConnectionsFailed, 1)
	})
}

func TestTCPHalfClosedConnectionGetsItsReplies(t *testing.T) {
	each(t, func(r *rig) {
		s := r.dial()
		s.send(probe(3).bytes())
		_ = s.CloseWrite()
		if m := s.receive(); m.Seq != 3 {
			r.Errorf("reply number %d, want 3", m.Seq)
		}
		s.ends()
	})
}

func TestPortInUseIsAnErrorThatNamesTheAddress(t *testing.T) {
	for _, i := range implementations() {
		t.Run(i.name, func(t *testing.T) {
			taken := newRig(t, i, testConfig(loopback))
			p, err := i.open()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = p.Close() }()
			c := testConfig(loopback)
			c.Ring, c.Counters = taken.ring, taken.counters
			c.TCP[0] = taken.tcp
			if _, _, err = New(p, c); err == nil || !strings.Contains(err.Error(), taken.tcp.String()) {
				t.Errorf("New with %v in use: %v, want an error that names it", taken.tcp, err)
			}
		})
	}
}

// Probes of one connection that is closed must not be taken for those of its successor at the same
// place.
func TestTCPPlacesAreUsedAgain(t *testing.T) {
	each(t, func(r *rig) {
		for i := range 50 {
			s := r.dial()
			s.send(probe(i).bytes())
			s.receive()
			_ = s.Close()
			r.counted(selfstats.SessionsExpired, uint64(i+1))
			if got := r.metric(measurement.TCPOWD); got.Seq != uint64(i) {
				r.Errorf("sample of seq %d, want %d", got.Seq, i)
			}
		}
		r.stop()
		if len(r.peers) > 2 || len(r.scanners) != 1 {
			r.Errorf("%d places and %d scanners after 50 connections one after the other, want 1 and one to come", len(r.peers), len(r.scanners))
		}
	})
}
