package sender

import (
	"net/netip"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// byHand is a Sender without a running loop and the target that it probes, both on real sockets. The
// test moves them on, with no goroutine in between: what is counted then is theirs alone.
type byHand struct {
	testing.TB
	*Sender
	poller   loop.Poller
	ready    [16]loop.Ready
	popped   [16]measurement.Sample
	echo     *echo
	patience time.Duration
}

func newByHand(t testing.TB) *byHand {
	t.Helper()
	p := newEpoll(t)
	samples, err := ring.New(1 << 10)
	if err != nil {
		t.Fatal(err)
	}
	config := Config{Ring: samples, Counters: new(selfstats.Block), MaxSize: 1470, Transmit: true}
	s, missing, err := New(p, config)
	if err != nil || len(missing) > 0 {
		t.Fatalf("New: missing %v, error %v", missing, err)
	}
	t.Cleanup(s.Close)
	return &byHand{TB: t, Sender: s, poller: p, echo: newEcho(t), patience: waittest.Patience()}
}

func newEpoll(t testing.TB) loop.Poller {
	t.Helper()
	p, err := loop.NewEpoll()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// probes has a target probed, as soon as it is connected. The slots are ten minutes apart and the
// table is so small that a reply can't be taken for another probe's: without the pauses between them
// the numbers wrap within a millisecond, and losing the processor for as long would confuse them.
func (h *byHand) probes(t measurement.Transport, to netip.AddrPort, size int) {
	s := sessionTo(1, t, to)
	s.Size = size
	h.probesOf(s)
}

// probesOf has a session's target probed likewise.
func (h *byHand) probesOf(s measurement.Session) {
	s.Tags, s.Interval, s.Timeout = nil, 10*time.Minute, time.Hour
	h.add(s, 0)
	t := s.Transport
	for x := h.sessions[0]; t == measurement.TCP && !x.tcp.up; {
		h.step()
	}
	h.cleaning = clock.Never // probe does it, by the real time
}

// authenticate gives the target a key; none = it does without.
func (h *byHand) authenticate(key []byte) {
	if len(key) == 0 {
		return
	}
	codec, err := stamp.NewCodec(stamp.Authenticated, key)
	if err != nil {
		h.Fatal(err)
	}
	h.echo.codec = codec
}

// nextSlot does what is due in the next slot, without waiting for its time.
func (h *byHand) nextSlot() { h.Due(h.queue.Next()) }

// probe sends the probe of the next slot and goes on until it is settled.
func (h *byHand) probe() {
	h.nextSlot()
	deadline := clock.MonoNow().Add(h.patience)
	for h.step(); !h.Drained(); h.step() {
		if clock.MonoNow() > deadline {
			h.Fatalf("after %v a probe is still not settled", h.patience)
		}
	}
	h.clean(clock.MonoNow())
}

// step handles what is ready now at both ends.
func (h *byHand) step() {
	h.echo.step()
	n, err := h.poller.Wait(0, h.ready[:])
	if err != nil {
		h.Fatal(err)
	}
	for _, ready := range h.ready[:n] {
		h.Ready(ready, readBatch)
	}
}

// published empties the ring and returns how many samples of the metric were on it.
func (h *byHand) published(m measurement.Metric) (count int) {
	for n := h.config.Ring.Pop(h.popped[:]); n > 0; n = h.config.Ring.Pop(h.popped[:]) {
		for i := range h.popped[:n] {
			if s := &h.popped[i]; s.Kind == measurement.KindMetric && s.Metric == m {
				count++
			}
		}
	}
	return count
}

// echo is a target that answers in the test's thread and does not allocate.
type echo struct {
	testing.TB
	poller   loop.Poller
	ready    [16]loop.Ready
	conn     packetio.Conn
	listener packetio.Listener
	packets  []packetio.Packet
	stream   packetio.Stream // the connection accepted last
	scanner  *textproto.Scanner
	reply    []byte

	codec      *stamp.Codec // for what is no text
	reflection stamp.Reflection
}

const (
	echoUDP loop.Token = iota + 1
	echoListener
	echoStream
)

func newEcho(t testing.TB) *echo {
	t.Helper()
	e := &echo{
		TB: t, poller: newEpoll(t), packets: make([]packetio.Packet, 1), scanner: textproto.NewScanner(1 << 16),
		reply: make([]byte, 0, 1<<16), codec: new(stamp.Codec), reflection: stamp.Reflection{
			ErrorEstimate:  stamp.NewErrorEstimate(time.Microsecond, stamp.NTP),
			ClassOfService: new(stamp.ClassOfService), DirectMeasurement: new(stamp.DirectMeasurement),
		},
	}
	var err error
	if e.conn, _, err = e.poller.ListenUDP(anyPort, packetio.Options{MaxSize: 1 << 16, Batch: 1}, echoUDP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.conn.Close() })
	if e.listener, err = e.poller.ListenTCP(anyPort, echoListener); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.listener.Close(); e.hangUp() })
	return e
}

// address is where probes of a transport are answered.
func (e *echo) address(t measurement.Transport) netip.AddrPort {
	if t == measurement.UDP {
		return e.conn.LocalAddr()
	}
	return e.listener.LocalAddr()
}

func (e *echo) step() {
	n, err := e.poller.Wait(0, e.ready[:])
	if err != nil {
		e.Fatal(err)
	}
	for _, ready := range e.ready[:n] {
		switch ready.Token {
		case echoUDP:
			e.answerDatagram()
		case echoListener:
			e.accept()
		case echoStream:
			e.answerStream()
		}
	}
}

func (e *echo) answerDatagram() {
	n, err := e.conn.ReadBatch(e.packets)
	if err != nil || n == 0 {
		e.Fatalf("ReadBatch = %d, %v", n, err)
	}
	p := &e.packets[0]
	if m, err := textproto.Decode(p.Data); err == nil {
		p.Data = textproto.AppendReply(e.reply, m, "peer", int64(clock.WallNow()))
	} else {
		p.Data = e.reflect(p.Data)
	}
	if n, err := e.conn.WriteBatch(e.packets); n != 1 {
		e.Fatalf("WriteBatch = %d, %v", n, err)
	}
}

// reflect makes a stateful reflector's reply.
func (e *echo) reflect(data []byte) []byte {
	request, err := e.codec.DecodeSender(data)
	if err != nil {
		e.Fatal(err)
	}
	e.reflection.T2 = stamp.NTP.Timestamp(int64(clock.WallNow()), 0)
	e.reflection.DirectMeasurement.ReflectorRx++
	reply := e.reply[:cap(e.reply)]
	built, err := e.codec.Reflect(reply, &request, &e.reflection)
	if err != nil {
		e.Fatal(err)
	}
	e.reflection.Seq++
	if err := e.codec.StampReflector(reply[:built.Size], stamp.NTP.Timestamp(int64(clock.WallNow()), 0)); err != nil {
		e.Fatal(err)
	}
	return reply[:built.Size]
}

func (e *echo) accept() {
	stream, err := e.poller.Accept(e.listener, echoStream)
	if err != nil {
		return // reset already
	}
	e.hangUp()
	e.stream = stream
}

func (e *echo) answerStream() {
	if e.stream == nil {
		return
	}
	n, _, _, err := e.stream.Read(e.scanner.Free())
	if err != nil {
		if err != packetio.ErrWouldBlock {
			e.hangUp() // as a connect probe ends
		}
		return
	}
	e.scanner.Fed(n)
	m, complete, err := e.scanner.Next()
	if err != nil {
		e.Fatal(err)
	}
	if !complete {
		return
	}
	if _, err := e.stream.Write(textproto.AppendReply(e.reply, m, "peer", int64(clock.WallNow()))); err != nil {
		e.Fatal(err)
	}
}

func (e *echo) hangUp() {
	if e.stream != nil {
		e.stream.Reset()
		e.stream = nil
	}
}
