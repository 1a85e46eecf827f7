package sender

import "github.com/latency-monitor/latency-monitor/pkg/stamp"

// variant is one of the packets that a session has prepared: with or without each of these.
type variant uint8

const (
	identified variant = 1 << iota // carries the Session Identity
	unasked                        // asks for no reply
	variants
)

// tlvSet is a set of TLVs that the far end may not understand.
type tlvSet uint8

const (
	classOfService tlvSet = 1 << iota
	directMeasurement
	extraPadding
	returnPath
	sessionIdentity // which is sent all the same
)

// answered are those that come back in each reply.
const answeredTLVs = classOfService | directMeasurement | extraPadding

// setOf is the set of one type; empty for types that are no member.
func setOf(t stamp.Type) tlvSet {
	switch t {
	case stamp.TypeClassOfService:
		return classOfService
	case stamp.TypeDirectMeasurement:
		return directMeasurement
	case stamp.TypeExtraPadding:
		return extraPadding
	case stamp.TypeReturnPath:
		return returnPath
	case stamp.TypeSessionIdentity:
		return sessionIdentity
	}
	return 0
}

// keeping is what the far end has said of the Session Identity.
type keeping uint8

const (
	unsaid keeping = iota
	keeps
	ignores
)

// packet is a prepared packet. For each probe only the number, the time and the counter are written anew.
type packet struct {
	data    []byte // nil: the session has none of this variant
	counter []byte // value of the Direct Measurement TLV, in data; nil where that is left out
	has     tlvSet
}

// build prepares the session's packets without what the far end does not understand. It allocates only
// the first time, when they are longest.
func (w *stamper) build() {
	for v := range variants {
		if w.config.RTT && v&unasked != 0 {
			continue
		}
		w.buildVariant(v)
	}
}

// buildVariant prepares one packet: the identity first, because it never changes; the HMAC TLV behind
// all but the padding (RFC 8972 section 4.8), which it then does not have to cover.
func (w *stamper) buildVariant(v variant) {
	p := &w.packets[v]
	b := w.codec.AppendSender(p.data[:0], w.ssid)
	base := len(b)
	*p = packet{}
	if v&identified != 0 {
		// Names and tags that are no UTF-8 are not announced; the far end then has our address.
		b, _ = stamp.AppendSessionIdentity(b, w.config.Source, w.config.Tags...)
	}
	if v&unasked != 0 && w.refused&returnPath == 0 {
		b = stamp.AppendReturnPath(b, stamp.NoReply)
		p.has |= returnPath
	}
	if w.refused&classOfService == 0 {
		b = stamp.AppendClassOfService(b, w.config.DSCP)
		p.has |= classOfService
	}
	counterAt := len(b) + tlvHeader
	if w.refused&directMeasurement == 0 {
		b = stamp.AppendDirectMeasurement(b)
		p.has |= directMeasurement
	}
	counterEnd := len(b)
	if len(b) > base && len(w.config.AuthKey) > 0 {
		b = stamp.AppendHMAC(b)
	}
	p.data = w.pad(p, b)
	if p.has&directMeasurement != 0 {
		p.counter = p.data[counterAt:counterEnd]
	}
}

// tlvHeader is the length of a TLV's flags, type and length (RFC 8972 section 4).
const tlvHeader = 4

// pad brings a packet to its size. One that is shorter by less than a TLV's header stays so.
func (w *stamper) pad(p *packet, b []byte) []byte {
	missing := len(w.zeros) - len(b)
	switch {
	case missing <= 0:
	case w.refused&extraPadding != 0: // as TWAMP Light does (RFC 5357 section 4.1.2)
		b = append(b, w.zeros[:missing]...)
	case missing >= tlvHeader:
		b, _ = stamp.AppendTLV(b, stamp.TypeExtraPadding, w.zeros[:missing-tlvHeader]) // not longer than a datagram
		p.has |= extraPadding
	}
	return b
}

// judge takes which TLVs of a probe the far end understood and which it did not, as the reply says. What
// does not come back at all is not understood either.
func (w *stamper) judge(understood, not tlvSet) {
	var v variant // the probe, as far as the reply shows
	came := understood | not
	if came&sessionIdentity != 0 {
		v |= identified
	}
	if came&returnPath != 0 {
		v |= unasked
	}
	expected := answeredTLVs & w.packets[v].has
	switch {
	case not&sessionIdentity != 0 || expected != 0 && came == 0:
		w.identity = ignores
	case w.identity == unsaid: // those that carried it were lost, or are under way
		w.sent = 1 // and not 0: the next one need not ask for a reply as the first does
	}
	w.refuse((not | expected&^understood) &^ sessionIdentity)
}

// refuse leaves TLVs out from now on.
func (w *stamper) refuse(tlvs tlvSet) {
	if tlvs&^w.refused != 0 {
		w.refused |= tlvs
		w.build()
	}
}

// noteKept notes that the far end keeps our Session Identity. If it did not before, it is another one now.
func (w *stamper) noteKept() {
	if w.identity != keeps {
		w.identity = keeps
		w.askAll()
	}
}

// askAll leaves no TLV out any more, since the far end may understand them all now.
func (w *stamper) askAll() {
	if w.refused != 0 {
		w.refused = 0
		w.judgedFrom, _ = w.table.Next()
		w.build()
	}
}
