package sender

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

func TestTCPReplyGivesRTT(t *testing.T) {
	eachFamily(t, func(r *rig, ip netip.Addr) {
		peer := newTCPPeer(t, netip.AddrPortFrom(ip, 0))
		s := sessionTo(7, measurement.TCP, peer.addr())
		r.add(s)
		conn := peer.accept()
		r.event(measurement.EventConnected)
		m := conn.receive(s.Size)
		before := int64(clock.WallNow())
		conn.send(replyTo(m))
		got := r.metric(measurement.TCPRTT)
		after := int64(clock.WallNow())
		if got.Session != 7 || got.Seq != 0 || got.Time != m.Timestamp || got.T1 != m.Timestamp {
			r.Errorf("sample %+v, want session 7, seq 0, time and T1 %d", got, m.Timestamp)
		}
		if got.Sent != measurement.SourceUser || got.Received != r.received {
			r.Errorf("sources %v and %v, want user and %v", got.Sent, got.Received, r.received)
		}
		if got.T4 < before || got.T4 > after || got.Value != got.T4-got.T1 {
			r.Errorf("T4 %d and value %d, want T4 from %d to %d and their difference to T1 %d",
				got.T4, got.Value, before, after, got.T1)
		}
		r.event(measurement.EventAnswering)
		r.noMoreEvents(measurement.EventConnected)
		r.counts(selfstats.TxTimestampsMissing, 0)
	})
}

func TestTCPRepliesAreFoundHoweverTheyAreCut(t *testing.T) {
	const probes = 5
	cuts := map[string]func(c *tcpConn, replies []byte){
		"merged in one write": func(c *tcpConn, replies []byte) { c.send(replies) },
		"octet by octet": func(c *tcpConn, replies []byte) {
			for i := range replies {
				c.send(replies[i : i+1])
			}
		},
		"in sevens": func(c *tcpConn, replies []byte) {
			for len(replies) > 0 {
				n := min(7, len(replies))
				c.send(replies[:n])
				replies = replies[n:]
			}
		},
	}
	for name, send := range cuts {
		t.Run(name, func(t *testing.T) {
			each(t, func(r *rig) {
				peer := newTCPPeer(t, anyPort)
				s := sessionTo(1, measurement.TCP, peer.addr())
				r.add(s)
				conn := peer.accept()
				var replies []byte
				for range probes {
					replies = append(replies, replyTo(conn.receive(s.Size))...)
				}
				send(conn, replies)
				for i := range uint64(probes) {
					if got := r.metric(measurement.TCPRTT); got.Seq != i {
						r.Errorf("sample of seq %d, want %d", got.Seq, i)
					}
				}
				r.counts(selfstats.RepliesMalformed, 0)
				r.counts(selfstats.RepliesUnmatched, 0)
			})
		})
	}
}

func TestTCPGarbageEndsTheConnectionAndAnotherIsMade(t *testing.T) {
	each(t, func(r *rig) {
		peer := newTCPPeer(t, anyPort)
		s := sessionTo(1, measurement.TCP, peer.addr())
		r.add(s)
		conn := peer.accept()
		conn.receive(s.Size)
		conn.send([]byte("HTTP/1.1 400 Bad Request\r\n"))
		if detail := r.event(measurement.EventDisconnected); detail != int64(syscall.EBADMSG) {
			r.Errorf("disconnected: %v, want %v", syscall.Errno(detail), syscall.EBADMSG)
		}
		r.counts(selfstats.RepliesMalformed, 1)
		if got := r.metric(measurement.TCPLoss); got.Seq != 0 {
			r.Errorf("loss of seq %d, want 0", got.Seq)
		}
		go peer.accept().answerAll()
		r.event(measurement.EventConnected)
		r.event(measurement.EventConnected)
		r.metric(measurement.TCPRTT)
		r.counts(selfstats.Reconnects, 1)
		r.counts(selfstats.ConnectionsFailed, 1)
		r.drain()
		r.balanced()
	})
}

func TestTCPDisconnectLosesProbesUnderWay(t *testing.T) {
	ends := map[string]func(c *tcpConn){
		"closed by the peer": func(c *tcpConn) { _ = c.Close() },
		"reset by the peer":  func(c *tcpConn) { _ = c.SetLinger(0); _ = c.Close() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			each(t, func(r *rig) {
				peer := newTCPPeer(t, anyPort)
				s := sessionTo(1, measurement.TCP, peer.addr())
				s.Timeout = time.Hour
				r.add(s)
				conn := peer.accept()
				for range 3 {
					conn.receive(s.Size)
				}
				end(conn)
				_ = peer.listener.Close()
				r.event(measurement.EventDisconnected)
				for i := range uint64(3) {
					if got := r.metric(measurement.TCPLoss); got.Seq != i {
						r.Errorf("loss of seq %d, want %d", got.Seq, i)
					}
				}
				if detail := r.event(measurement.EventUnreachable); syscall.Errno(detail) != syscall.ECONNREFUSED {
					r.Errorf("unreachable: %v, want %v", syscall.Errno(detail), syscall.ECONNREFUSED)
				}
				r.counted(selfstats.Unreachable, 2)
				r.drain()
				r.balanced()
				r.noMoreEvents(measurement.EventDisconnected)
				r.noMoreEvents(measurement.EventUnreachable)
				r.noMoreEvents(measurement.EventSendFailed)
				r.noMoreEvents(measurement.EventSilent)
				r.counts(selfstats.SkippedSendError, 0)
			})
		})
	}
}

func TestTCPTargetThatIsNotThereIsTriedAgain(t *testing.T) {
	each(t, func(r *rig) {
		remote := closedTCPPort(t, loopback)
		r.add(sessionTo(1, measurement.TCP, remote))
		r.event(measurement.EventUnreachable)
		r.counted(selfstats.SkippedDisconnected, 5)
		r.counted(selfstats.Unreachable, 2)
		r.noMoreEvents(measurement.EventUnreachable)
		go newTCPPeer(t, remote).accept().answerAll()
		r.event(measurement.EventConnected)
		r.metric(measurement.TCPRTT)
		r.noMoreEvents(measurement.EventUnreachable)
		r.counts(selfstats.Reconnects, 0)
	})
}

func TestTCPBackOffDoublesUpToItsLimit(t *testing.T) {
	buffer, err := ring.New(1024)
	if err != nil {
		t.Fatal(err)
	}
	s := &Sender{config: Config{Ring: buffer}, counters: new(selfstats.Block)}
	x := newSession(0, sessionTo(1, measurement.TCP, anyPort))
	const now = clock.Mono(time.Hour)
	want := firstRetry
	for range 10 {
		s.disconnect(x, now, int64(syscall.ECONNREFUSED))
		if pause := x.tcp.retryAt.Sub(now); pause < want*3/4 || pause > want*5/4 {
			t.Errorf("paused for %v, want %v give or take a quarter", pause, want)
		}
		want = min(2*want, longRetry)
	}
	if buffer.Len() != 1 {
		t.Errorf("%d events, want 1", buffer.Len())
	}
}

func TestTCPReconnectsAfterMaxLostLosses(t *testing.T) {
	each(t, func(r *rig) {
		peer := newTCPPeer(t, anyPort)
		s := sessionTo(1, measurement.TCP, peer.addr())
		s.Timeout = 300 * time.Millisecond
		r.add(s)
		conn := peer.accept()
		conn.send(replyTo(conn.receive(s.Size)))
		r.event(measurement.EventAnswering)
		if detail := r.event(measurement.EventDisconnected); syscall.Errno(detail) != syscall.ETIMEDOUT {
			r.Errorf("disconnected: %v, want %v", syscall.Errno(detail), syscall.ETIMEDOUT)
		}
		go peer.accept().answerAll()
		r.metric(measurement.TCPRTT)
		r.metric(measurement.TCPRTT)
		r.drain()
		r.balanced()
		r.counts(selfstats.Reconnects, 1)
		r.noMoreEvents(measurement.EventDisconnected)
		r.noMoreEvents(measurement.EventSilent)
	})
}

func TestTCPLateReplyIsOnlyCounted(t *testing.T) {
	each(t, func(r *rig) {
		peer := newTCPPeer(t, anyPort)
		s := sessionTo(1, measurement.TCP, peer.addr())
		s.Timeout, s.MaxLost = 30*time.Millisecond, 1000
		r.add(s)
		conn := peer.accept()
		m := conn.receive(s.Size)
		r.metric(measurement.TCPLoss)
		conn.send(replyTo(m))
		r.counted(selfstats.RepliesLate, 1)
		r.counts(selfstats.ProbesAnswered, 0)
	})
}

func TestTCPBacklogIsSkippedAndTheStreamStaysWhole(t *testing.T) {
	each(t, func(r *rig) {
		peer := newTCPPeer(t, anyPort)
		s := sessionTo(1, measurement.TCP, peer.addr())
		s.Interval, s.Size, s.MaxLost = time.Millisecond, 65535, 1_000_000
		r.add(s)
		conn := peer.accept() // and does not read
		r.counted(selfstats.SkippedBacklog, 20)
		for i := range 2 * textproto.Numbers {
			if m := conn.receive(s.Size); m.Seq != i%textproto.Numbers || string(m.Name) != "prober" {
				r.Fatalf("probe %d = %d|%s|…", i, m.Seq, m.Name)
			}
		}
		r.noMoreEvents(measurement.EventDisconnected)
	})
}

// The connection has room for fewer probes than may be lost.
func TestTCPConnectionThatTakesNothingIsGivenUp(t *testing.T) {
	each(t, func(r *rig) {
		peer := newTCPPeer(t, anyPort)
		s := sessionTo(1, measurement.TCP, peer.addr())
		s.Interval, s.Size, s.MaxLost, s.Timeout = time.Millisecond, 65535, 1000, 50*time.Millisecond
		r.add(s)
		peer.accept() // and does not read
		if detail := r.event(measurement.EventDisconnected); syscall.Errno(detail) != syscall.ETIMEDOUT {
			r.Errorf("disconnected: %v, want %v", syscall.Errno(detail), syscall.ETIMEDOUT)
		}
		r.drain()
		r.balanced()
	})
}

func TestTCPSessionsAreReplacedUnderTraffic(t *testing.T) {
	each(t, func(r *rig) {
		peer := newTCPPeer(t, anyPort)
		go func() {
			for {
				conn, err := peer.listener.AcceptTCP()
				if err != nil {
					return
				}
				go func() {
					defer func() { _ = conn.Close() }()
					(&tcpConn{t, conn}).answerAll()
				}()
			}
		}()
		s := sessionTo(1, measurement.TCP, peer.addr())
		s.Interval = time.Millisecond
		for i := range uint64(20) {
			r.add(s)
			r.counted(selfstats.ProbesAnswered, 5*(i+1))
			if i%3 == 0 {
				r.remove(s.ID)
			}
		}
		r.drain()
		r.balanced()
		r.counts(selfstats.ConnectionsFailed, 0)
	})
}

// brokenStream is a connection that broke and of which nothing has been read yet.
type brokenStream struct{ packetio.Stream }

func (brokenStream) Write([]byte) (int, error) { return 0, syscall.EPIPE }
func (brokenStream) Reset()                    {}

func TestTCPWriteToBrokenConnectionIsNoSendError(t *testing.T) {
	buffer, err := ring.New(1024)
	if err != nil {
		t.Fatal(err)
	}
	s := &Sender{config: Config{Ring: buffer}, counters: new(selfstats.Block)}
	x := newSession(0, sessionTo(1, measurement.TCP, anyPort))
	x.tcp.stream, x.tcp.up = brokenStream{}, true
	s.sendTCP(x, clock.MonoNow())
	var got [4]measurement.Sample
	n := buffer.Pop(got[:])
	if kind, detail := got[0].Event(); n != 1 || kind != measurement.EventDisconnected || syscall.Errno(detail) != syscall.EPIPE {
		t.Errorf("records %+v, want one event: disconnected, EPIPE", got[:n])
	}
	if n := s.counters.Get(selfstats.SkippedDisconnected); n != 1 {
		t.Errorf("%d slots skipped for want of a connection, want 1", n)
	}
}
