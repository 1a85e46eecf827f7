package stamp

import "encoding/binary"

// ReflectorPacket is a decoded session-reflector packet (RFC 8762 section 4.3, RFC 8972 section 3).
type ReflectorPacket struct {
	Seq                 uint32        // the reflector's own counter, or SenderSeq if it is stateless
	T3                  Timestamp     // in the format of ErrorEstimate
	ErrorEstimate       ErrorEstimate // of T2 and T3
	SSID                uint16        // copied; 0 from a reflector that does not know SSIDs
	T2                  Timestamp     // in the format of ErrorEstimate
	SenderSeq           uint32        // copied
	T1                  Timestamp     // copied, in the format of SenderErrorEstimate
	SenderErrorEstimate ErrorEstimate // copied
	TTL                 uint8         // TTL or hop limit with which the request came; 0: not told
	TLVs                []byte        // what is behind the base packet, in the packet's own memory; see VerifyTLVs
}

// DecodeReflector decodes a session-reflector packet where it is. Without authentication it takes
// packets from MinReflectorSize up. The errors are ErrShort, ErrOversize, ErrHMAC, and ErrMultiplier
// for the reflector's own estimate; the copied one is the caller's own.
func (c *Codec) DecodeReflector(packet []byte) (ReflectorPacket, error) {
	at := c.layout()
	if err := c.check(packet, at.minReplySize); err != nil {
		return ReflectorPacket{}, err
	}
	p := ReflectorPacket{
		Seq:                 binary.BigEndian.Uint32(packet),
		T3:                  Timestamp(binary.BigEndian.Uint64(packet[at.timestamp:])),
		ErrorEstimate:       ErrorEstimate(binary.BigEndian.Uint16(packet[at.errorEstimate:])),
		SSID:                binary.BigEndian.Uint16(packet[at.ssid:]),
		T2:                  Timestamp(binary.BigEndian.Uint64(packet[at.receive:])),
		SenderSeq:           binary.BigEndian.Uint32(packet[at.senderSeq:]),
		T1:                  Timestamp(binary.BigEndian.Uint64(packet[at.senderTimestamp:])),
		SenderErrorEstimate: ErrorEstimate(binary.BigEndian.Uint16(packet[at.senderErrorEstimate:])),
	}
	if p.ErrorEstimate.Multiplier() == 0 {
		return ReflectorPacket{}, ErrMultiplier
	}
	if len(packet) > at.ttl {
		p.TTL = packet[at.ttl]
	}
	if len(packet) > at.base {
		p.TLVs = packet[at.base:]
	}
	return p, nil
}

// VerifyTLVs tells whether a reply's TLVs may be used; to be asked before they are. The errors are
// ErrTLVIntegrity, if the reflector found the request's HMAC TLV wrong, and ErrTLVHMAC, if the reply's
// is wrong, missing under a key, or present without one (RFC 8972 sections 4 and 4.8).
func (c *Codec) VerifyTLVs(p *ReflectorPacket) error {
	for tlv := range TLVs(p.TLVs) {
		if tlv.Flags&FlagIntegrity != 0 {
			return ErrTLVIntegrity
		}
		if tlv.Flags&FlagMalformed != 0 {
			break // the rest is as the session-sender sent it
		}
	}
	_, err := c.verifyTLVs(p.Seq, p.TLVs)
	return err
}

// StampReflector completes a reply in place that Reflect has built: it writes T3, in the format of the
// reflection's error estimate, and in authenticated mode the HMAC. It may be called again for a later
// T3. The error is ErrShort.
func (c *Codec) StampReflector(packet []byte, t3 Timestamp) error {
	at := c.layout()
	if len(packet) < at.base {
		return ErrShort
	}
	binary.BigEndian.PutUint64(packet[at.timestamp:], uint64(t3))
	c.sign(packet)
	return nil
}
