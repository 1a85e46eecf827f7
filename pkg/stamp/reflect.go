package stamp

import (
	"encoding/binary"
	"errors"
)

// Reflection is what a session-reflector adds to a request to make it a reply, but for T3, which comes
// last, by StampReflector.
type Reflection struct {
	Seq           uint32        // the request's, if stateless; else the session's own: from 0, plus 1 per reply
	T2            Timestamp     // when the request was received, in the format of ErrorEstimate
	ErrorEstimate ErrorEstimate // of T2 and T3
	TTL           uint8         // TTL or hop limit of the request's IP header

	// Answers to TLVs. One that is nil goes back with U set, as not understood.

	Location             *Location             // addresses and ports of the request; what is zero is not told
	TimestampInformation *TimestampInformation // of T2 and T3
	ClassOfService       *ClassOfService       // DSCP2, ECN and RP; DSCP1 stays the request's
	DirectMeasurement    *DirectMeasurement    // ReflectorRx and ReflectorTx; SenderTx stays the request's
	FollowUpTelemetry    *FollowUpTelemetry    // the previous reply; Seq and T3 0 if stateless or the first
}

// Reply is what Reflect has built.
type Reply struct {
	// Size is its length in octets: that of the request, and BaseSize for a shorter one. That makes the
	// reflector an amplifier, 3.1 times for 14 octets, so such requests want an allow list.
	Size int
	// NoReply: the session-sender asked for no reply (RFC 9503 section 4.1.1), it must not be sent.
	NoReply bool
	// Identity is the request's Session Identity, in the reply's memory; nil without one.
	Identity SessionIdentity
	// DSCP1 is the marking that an answered Class of Service TLV wants for the reply; 0 without one.
	DSCP1 uint8
	// FollowUp: a Follow-Up Telemetry TLV was answered. The next one will want the time at which this
	// reply left.
	FollowUp bool
	// TLVErr is why the TLVs, or those from the malformed one on, were not processed: ErrTLVHMAC,
	// ErrTLVTruncated, ErrTLVLength or ErrTLVValue; nil if they were. The reply says so by its flags and
	// is to be sent all the same (RFC 8972 section 4).
	TLVErr error
}

// Reflect builds the reply to a decoded request in dst, which must not overlap it (RFC 8762 section
// 4.3, RFC 8972 sections 3 and 4). The caller completes it with StampReflector and sends dst[:Size].
//
// The TLVs are copied and those that the reflection has an answer to are filled in. The flags of each
// processed TLV are set anew: none if it was understood; U if not, or if the request is for something
// that cannot be done; M if it is malformed. Behind a malformed one the rest stays as it came. If the
// HMAC TLV is not valid, all stay as they came but for I in each. A valid HMAC TLV is computed anew for
// the reply, behind a malformed TLV too.
//
// It does not allocate. The errors are ErrNoRoom, and ErrMultiplier for the reflection's own estimate.
func (c *Codec) Reflect(dst []byte, p *SenderPacket, r *Reflection) (reply Reply, err error) {
	at := c.layout()
	size := at.base + len(p.TLVs)
	if len(dst) < size {
		return Reply{}, ErrNoRoom
	}
	if r.ErrorEstimate.Multiplier() == 0 {
		return Reply{}, ErrMultiplier
	}
	clear(dst[:at.base])
	binary.BigEndian.PutUint32(dst, r.Seq)
	binary.BigEndian.PutUint16(dst[at.errorEstimate:], uint16(r.ErrorEstimate))
	binary.BigEndian.PutUint16(dst[at.ssid:], p.SSID)
	binary.BigEndian.PutUint64(dst[at.receive:], uint64(r.T2))
	binary.BigEndian.PutUint32(dst[at.senderSeq:], p.Seq)
	binary.BigEndian.PutUint64(dst[at.senderTimestamp:], uint64(p.T1))
	binary.BigEndian.PutUint16(dst[at.senderErrorEstimate:], uint16(p.ErrorEstimate))
	dst[at.ttl] = r.TTL
	reply.Size = size
	if len(p.TLVs) > 0 {
		tlvs := dst[at.base:size:size]
		copy(tlvs, p.TLVs)
		c.answerTLVs(tlvs, p.Seq, r, &reply)
	}
	return reply, nil
}

// answerTLVs makes the TLVs of a request, where they are, those of its reply.
func (c *Codec) answerTLVs(tlvs []byte, requestSeq uint32, r *Reflection, reply *Reply) {
	hmacTLV, err := c.verifyTLVs(requestSeq, tlvs)
	if err != nil {
		reply.TLVErr = err
		flagIntegrity(tlvs)
		return
	}
	a := answering{Reflection: r, reply: reply}
	for rest := tlvs; reply.TLVErr == nil; {
		n, err := tlvSize(rest)
		if err != nil {
			rest[0] = byte(FlagMalformed)
			reply.TLVErr = err
		}
		if n == 0 {
			break
		}
		rest[0] = byte(a.answer(Type(rest[1]), rest[headerSize:n:n]))
		rest = rest[n:]
	}
	if hmacTLV >= 0 {
		c.signTLV(r.Seq, tlvs, hmacTLV)
	}
}

// flagIntegrity sets I in each TLV, and M in a truncated one.
func flagIntegrity(tlvs []byte) {
	for {
		n, err := tlvSize(tlvs)
		if err != nil {
			tlvs[0] |= byte(FlagIntegrity | FlagMalformed)
		}
		if n == 0 {
			return
		}
		tlvs[0] |= byte(FlagIntegrity)
		tlvs = tlvs[n:]
	}
}

// answering is the state of processing one request's TLVs.
type answering struct {
	*Reflection
	reply      *Reply
	returnPath bool // one was processed; others are ignored (RFC 9503 section 4)
}

// errNotUnderstood: the TLV is of an unknown type, or there is no answer to it.
var errNotUnderstood = errors.New("stamp: TLV not understood")

// answer fills in one TLV's value and returns its flags. If they have M, the reason is in the reply.
func (a *answering) answer(t Type, value []byte) Flags {
	switch err := a.fill(t, value); err {
	case nil:
		return 0
	case errNotUnderstood:
		return FlagUnrecognized
	default:
		a.reply.TLVErr = err
		return FlagMalformed
	}
}

func (a *answering) fill(t Type, value []byte) error {
	switch {
	case t == TypeExtraPadding, t == TypeHMAC: // the latter is verified
		return nil
	case t == TypeLocation && a.Location != nil:
		return a.Location.answer(value)
	case t == TypeTimestampInformation && a.TimestampInformation != nil:
		return a.TimestampInformation.answer(value)
	case t == TypeClassOfService && a.ClassOfService != nil:
		return a.answerClassOfService(value)
	case t == TypeDirectMeasurement && a.DirectMeasurement != nil:
		return a.DirectMeasurement.answer(value)
	case t == TypeAccessReport:
		return answerAccessReport(value)
	case t == TypeFollowUpTelemetry && a.FollowUpTelemetry != nil:
		err := a.FollowUpTelemetry.answer(value)
		a.reply.FollowUp = a.reply.FollowUp || err == nil
		return err
	case t == TypeReturnPath && !a.returnPath:
		a.returnPath = true
		return a.answerReturnPath(value)
	case t == TypeSessionIdentity:
		var err error
		a.reply.Identity, err = DecodeSessionIdentity(value)
		return err
	}
	return errNotUnderstood
}

func (a *answering) answerClassOfService(value []byte) error {
	class, err := DecodeClassOfService(value)
	if err != nil {
		return err
	}
	a.reply.DSCP1 = class.DSCP1
	return a.ClassOfService.answer(value)
}

// answerAccessReport: the report goes back as it came; one that must be discarded, as not understood.
func answerAccessReport(value []byte) error {
	if _, err := DecodeAccessReport(value); err != ErrTLVValue {
		return err
	}
	return errNotUnderstood
}

// answerReturnPath: U says that the reply does not go the way that was asked for (RFC 9503 section 4).
// That is so for ReplySameLink too, because a datagram's sender does not choose the link.
func (a *answering) answerReturnPath(value []byte) error {
	code, err := DecodeReturnPath(value)
	switch {
	case err == ErrTLVValue:
		return errNotUnderstood
	case err != nil:
		return err
	case code != NoReply:
		return errNotUnderstood
	}
	a.reply.NoReply = true
	return nil
}
