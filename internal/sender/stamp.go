package sender

import (
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/match"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

const (
	// stampTTL is the TTL or hop limit of STAMP packets unless configured (RFC 5357 section 4.1.2), so
	// that the TTL that a reflector reports tells the number of hops.
	stampTTL = 255
	// identityProbes is in how many probes in a row without a reply the Session Identity goes along. Then,
	// or once the far end has said whether it keeps it, once in identityEvery is enough.
	identityProbes = 10
	identityEvery  = time.Second
	// lastSSID is the highest SSID that is given to a session. So its first octet is a control character: in
	// that place a message in text has its sender's name, and may not have one there. Else a reflector would
	// take the text of some senders for STAMP of the session that they have left.
	lastSSID = 0x1fff
	// askEvery is how often a one-way session asks for a reply, to notice when the target is gone.
	askEvery = time.Second
)

// stamper is a session's STAMP: a Session-Sender in the words of RFC 8762. All its memory is made with
// the session, so that going over to STAMP allocates nothing.
type stamper struct {
	flow
	config     *measurement.Session
	codec      *stamp.Codec
	ssid       uint16 // another one each time that STAMP begins
	packets    [variants]packet
	zeros      []byte            // as many as a packet is long
	directions *match.Directions // nil for one-way sessions

	sent       uint64     // probes since STAMP began, or since a reply left identity unsaid, as far as identityProbes
	identityAt clock.Mono // when the identity was sent last
	askedAt    clock.Mono // when a reply was asked for last
	identity   keeping    // whether the far end keeps it
	refused    tlvSet     // what it does not understand, and is left out
	judgedFrom uint64     // replies to probes before say nothing about that

	counting   counting   // whether the far end counts its replies
	firstLost  clock.Wall // T1 of the first loss that is not told by direction yet
	tos        octet      // as which probes reach it
	ttl        octet
	lostRun    int    // consecutive losses since the last answer
	answeredTo uint64 // all seqs answered so far are below
	fallback
}

// newStamper prepares a session's STAMP. begin has to be called before its first probe.
func newStamper(d *measurement.Session) *stamper {
	mode := stamp.Unauthenticated
	if len(d.AuthKey) > 0 {
		mode = stamp.Authenticated
	}
	codec, err := stamp.NewCodec(mode, d.AuthKey)
	if err != nil {
		panic(err) // it is about the key, which is there
	}
	size := min(d.Size, packetio.MaxDatagram(d.Remote.Addr()))
	w := &stamper{config: d, codec: codec, zeros: make([]byte, size)}
	w.table = match.NewTable(match.Config{
		Numbers: 1 << 32, Timeout: d.Timeout, Interval: d.Interval, Slack: 2 * housekeeping,
	})
	if d.RTT {
		w.directions = match.NewDirections(w.table.Cap())
	}
	w.tos = octet{told: d.DSCP << 2, known: true}
	return w
}

// begin makes a session's STAMP begin, with sequence number 0.
func (s *Sender) begin(w *stamper) {
	if s.ssid = (s.ssid + 1) & lastSSID; s.ssid == 0 { // which means none (RFC 8972 section 3)
		s.ssid++
	}
	w.ssid = s.ssid
	w.beginAt(0)
}

// beginAt begins with a sequence number.
func (w *stamper) beginAt(seq uint64) {
	w.table.Reset(seq)
	if w.directions != nil {
		w.directions.Reset(seq)
	}
	w.sent, w.identity, w.refused, w.judgedFrom = 0, unsaid, 0, seq
	w.counting, w.lostRun, w.answeredTo = counting{}, 0, seq
	w.build()
}

// stageStamp makes a session's STAMP probe ready to leave with the others that are due.
func (s *Sender) stageStamp(x *session, slot clock.Mono) {
	w := x.stamp
	_, number := w.table.Next()
	v := w.variant(slot)
	p := &w.packets[v]
	if p.counter != nil {
		// The error is about the length of the TLV, which is ours.
		_ = stamp.SetSenderTx(p.counter, uint32(number)+1)
	}
	w.noteSent(v, slot)
	ttl := x.TTL
	if ttl == 0 {
		ttl = stampTTL
	}
	asks := v&unasked == 0
	x.lane.out = append(x.lane.out, packetio.Packet{
		Data: p.data, Remote: x.Remote, TOS: x.DSCP << 2, TTL: ttl, Notify: asks, // without a reply, T1 is of no use
	})
	x.lane.staged = append(x.lane.staged, stagedProbe{session: x, slot: slot, flow: &w.flow, unasked: !asks})
}

// variant chooses which packet the probe of a slot is.
func (w *stamper) variant(slot clock.Mono) (v variant) {
	if w.sent < identityProbes && w.identity == unsaid || slot.Sub(w.identityAt) >= identityEvery {
		v |= identified
	}
	if !w.config.RTT && w.refused&returnPath == 0 && w.sent > 0 && slot.Sub(w.askedAt) < askEvery {
		v |= unasked
	}
	return v
}

// noteSent notes that a probe of this variant is sent in a slot.
func (w *stamper) noteSent(v variant, slot clock.Mono) {
	w.sent = min(w.sent+1, identityProbes)
	if v&identified != 0 {
		w.identityAt = slot
	}
	if v&unasked == 0 {
		w.askedAt = slot
	}
}

// stampPacket writes the number, T1 and the HMACs into a packet, as the last thing before it leaves.
func (s *Sender) stampPacket(w *stamper, data []byte, wall clock.Wall) {
	_, number := w.table.Next()
	// The errors are about the packet's length and the estimate, which are ours.
	_ = w.codec.StampSender(data, uint32(number), w.t1(wall), s.host.estimates[w.config.Format])
}

// t1 is a time as it is in a probe.
func (w *stamper) t1(at clock.Wall) stamp.Timestamp {
	return w.config.Format.Timestamp(int64(at), w.config.UTCOffset)
}

// loseStamp notes that a STAMP probe is lost.
func (s *Sender) loseStamp(x *session, p *match.Probe) {
	w := x.stamp
	if w.directions != nil {
		if w.directions.Pending() == 0 {
			w.firstLost = p.T1
		}
		w.directions.Lost(p.Seq)
	}
	if p.Seq < w.answeredTo {
		return // of an outage that is over
	}
	w.lostRun++
}

// heardStamp notes that the target answered a STAMP probe. After an outage it may be another one, or one
// that was told to count.
func (w *stamper) heardStamp(seq uint64) {
	if w.lostRun >= w.config.MaxLost {
		w.askAll()
	}
	w.lostRun, w.proven, w.denied = 0, true, 0
	w.answeredTo = max(w.answeredTo, seq+1)
}
