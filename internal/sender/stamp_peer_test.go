package sender

import (
	"net/netip"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// stampPeer is a target that carries a reflector: by default a stateful one that knows all TLVs and
// answers text too, saying that it knows STAMP.
type stampPeer struct {
	*udpPeer
	codec     *stamp.Codec
	format    stamp.Format
	utcOffset time.Duration

	number    uint32 // of the next reply
	received  uint32 // requests
	stateless bool
	textOnly  bool
	mute      bool                     // in STAMP
	noTLVs    bool                     // sends them back as they came
	unknown   stamp.Type               // sends TLVs of this type back as they came
	noSSID    bool                     // writes 0
	length    int                      // of replies; 0 = the request's
	ttl       uint8                    // as which requests reach it
	tos       uint8                    // the same
	residence time.Duration            // T3 - T2
	rewrite   func(r *stampReflection) // changes a reply
}

// stampReflection is a reply in the making.
type stampReflection struct {
	stamp.Reflection
	T3 stamp.Timestamp
}

// request is a datagram as a peer received it.
type request struct {
	data []byte
	from netip.AddrPort
	text bool
}

func newStampPeer(t testing.TB, key []byte) *stampPeer {
	t.Helper()
	mode := stamp.Unauthenticated
	if key != nil {
		mode = stamp.Authenticated
	}
	codec, err := stamp.NewCodec(mode, key)
	if err != nil {
		t.Fatal(err)
	}
	return &stampPeer{udpPeer: newUDPPeer(t, anyPort), codec: codec, ttl: 250, residence: time.Microsecond}
}

// next waits for the next probe.
func (p *stampPeer) next() request {
	p.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(waittest.Patience()))
	r, err := p.read()
	if err != nil {
		p.Fatalf("waiting for a probe: %v", err)
	}
	return r
}

func (p *stampPeer) read() (request, error) {
	buf := make([]byte, 1<<16)
	n, from, err := p.conn.ReadFromUDPAddrPort(buf)
	_, textErr := textproto.Decode(buf[:n])
	return request{buf[:n], unmapped(from), textErr == nil}, err
}

// sentAfter waits for a STAMP probe that was sent after a time.
func (p *stampPeer) sentAfter(at clock.Wall) request {
	p.Helper()
	for {
		r := p.next()
		m := p.decode(r)
		if t1, _ := m.ErrorEstimate.Format().UnixNanos(m.T1, int64(at), p.utcOffset); t1 > int64(at) {
			return r
		}
	}
}

// decode reads a STAMP probe.
func (p *stampPeer) decode(r request) stamp.SenderPacket {
	p.Helper()
	m, err := p.codec.DecodeSender(r.data)
	if err != nil {
		p.Fatalf("DecodeSender(%x): %v", r.data, err)
	}
	return m
}

// tlvs gives the values of a probe's TLVs by type.
func (p *stampPeer) tlvs(r request) map[stamp.Type][]byte {
	p.Helper()
	m, found := p.decode(r), map[stamp.Type][]byte{}
	for tlv, err := range stamp.TLVs(m.TLVs) {
		if err != nil || tlv.Flags != stamp.FlagUnrecognized {
			p.Fatalf("TLV %+v, error %v", tlv, err)
		}
		found[tlv.Type] = tlv.Value
	}
	return found
}

// reflect makes the reply to a probe; nil if there is none.
func (p *stampPeer) reflect(r request) []byte {
	if r.text {
		m, _ := textproto.Decode(r.data)
		reply := textproto.AppendReply(nil, m, "peer", time.Now().UnixNano())
		if at := len(reply) - len(m.Padding); !p.textOnly && at+8 <= len(reply) {
			copy(reply[at:], textproto.StampAnswer)
		}
		return reply
	}
	m, err := p.codec.DecodeSender(r.data)
	if err != nil || p.textOnly || p.mute {
		return nil
	}
	return p.reflectStamp(r, &m)
}

func (p *stampPeer) reflectStamp(r request, m *stamp.SenderPacket) []byte {
	now := time.Now().UnixNano()
	p.received++
	made := stampReflection{Reflection: stamp.Reflection{
		Seq: p.number, TTL: p.ttl,
		T2:                p.format.Timestamp(now, p.utcOffset),
		ErrorEstimate:     stamp.NewErrorEstimate(time.Microsecond, p.format) | stamp.SyncBit,
		ClassOfService:    &stamp.ClassOfService{DSCP2: p.tos >> 2, ECN: p.tos & 3},
		DirectMeasurement: &stamp.DirectMeasurement{ReflectorRx: p.received, ReflectorTx: p.number + 1},
	}, T3: p.format.Timestamp(now+int64(p.residence), p.utcOffset)}
	if p.stateless {
		made.Seq = m.Seq
	}
	if p.rewrite != nil {
		p.rewrite(&made)
	}
	buf := make([]byte, 1<<16)
	built, err := p.codec.Reflect(buf, m, &made.Reflection)
	if err != nil {
		p.Errorf("Reflect: %v", err)
	}
	if built.NoReply && !p.noTLVs {
		return nil
	}
	p.number++
	if p.noTLVs {
		base := len(r.data) - len(m.TLVs)
		copy(buf[base:built.Size], m.TLVs)
	}
	at := len(r.data) - len(m.TLVs)
	for tlv := range stamp.TLVs(buf[at:built.Size]) {
		if tlv.Type == p.unknown {
			buf[at] |= byte(stamp.FlagUnrecognized)
		}
		at += tlvHeader + len(tlv.Value)
	}
	if p.noSSID {
		buf[14], buf[15] = 0, 0
	}
	if err := p.codec.StampReflector(buf[:built.Size], made.T3); err != nil {
		p.Errorf("StampReflector: %v", err)
	}
	if p.length > 0 {
		built.Size = min(built.Size, p.length)
	}
	return buf[:built.Size]
}

// answer replies to a probe.
func (p *stampPeer) answer(r request) {
	p.Helper()
	if reply := p.reflect(r); reply != nil {
		p.send(reply, r.from)
	}
}

// answerAll answers whatever comes, until the socket is closed.
func (p *stampPeer) answerAll() {
	_ = p.conn.SetReadDeadline(time.Time{})
	for {
		r, err := p.read()
		if err != nil {
			return
		}
		if reply := p.reflect(r); reply != nil {
			_, _ = p.conn.WriteToUDPAddrPort(reply, r.from)
		}
	}
}

// stampTo is a session in STAMP from the first slot.
func stampTo(id measurement.SessionID, remote netip.AddrPort) measurement.Session {
	s := sessionTo(id, measurement.UDP, remote)
	s.Protocol = measurement.STAMP
	return s
}
