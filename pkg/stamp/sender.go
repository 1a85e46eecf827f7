package stamp

import "encoding/binary"

// SenderPacket is a decoded session-sender packet (RFC 8762 section 4.2, RFC 8972 section 3).
type SenderPacket struct {
	Seq           uint32        // from 0 in each session, plus 1 per packet, modulo 2^32
	T1            Timestamp     // in the format of ErrorEstimate
	ErrorEstimate ErrorEstimate // of T1
	SSID          uint16        // 0: none, or not a STAMP sender
	TLVs          []byte        // what is behind the base packet, in the packet's own memory; Reflect verifies it
}

// AppendSender appends a session-sender's base packet to b: BaseSize or AuthenticatedBaseSize octets,
// zero but for the SSID, which is 0 for none. TLVs may be appended behind it. Before it is sent it has
// to be completed by StampSender. It does not allocate if b has the capacity.
func (c *Codec) AppendSender(b []byte, ssid uint16) []byte {
	var zeros [AuthenticatedBaseSize]byte
	at := c.layout()
	start := len(b)
	b = append(b, zeros[:at.base]...)
	binary.BigEndian.PutUint16(b[start+at.ssid:], ssid)
	return b
}

// StampSender completes a prepared session-sender packet in place, with the number, the time and the
// error estimate of one probe, and the HMACs for them: that of the base packet in authenticated mode,
// and that of an HMAC TLV, which covers the sequence number. It may be called again, for the next
// probe or for a later T1. The errors are ErrShort and ErrMultiplier.
func (c *Codec) StampSender(packet []byte, seq uint32, t1 Timestamp, e ErrorEstimate) error {
	at := c.layout()
	if len(packet) < at.minSenderSize {
		return ErrShort
	}
	if e.Multiplier() == 0 {
		return ErrMultiplier
	}
	binary.BigEndian.PutUint32(packet, seq)
	binary.BigEndian.PutUint64(packet[at.timestamp:], uint64(t1))
	binary.BigEndian.PutUint16(packet[at.errorEstimate:], uint16(e))
	if c.mac != nil && len(packet) > at.base {
		c.signTLVs(seq, packet[at.base:])
	}
	c.sign(packet)
	return nil
}

// DecodeSender decodes a session-sender packet where it is. Without authentication it takes packets
// from MinSenderSize up, those shorter than BaseSize being TWAMP Light's. The errors are ErrShort,
// ErrOversize, ErrHMAC and ErrMultiplier.
func (c *Codec) DecodeSender(packet []byte) (p SenderPacket, err error) {
	at := c.layout()
	if err := c.check(packet, at.minSenderSize); err != nil {
		return SenderPacket{}, err
	}
	// Field by field: a struct that is copied as a whole right after would have to wait for its parts.
	p.Seq = binary.BigEndian.Uint32(packet)
	p.T1 = Timestamp(binary.BigEndian.Uint64(packet[at.timestamp:]))
	p.ErrorEstimate = ErrorEstimate(binary.BigEndian.Uint16(packet[at.errorEstimate:]))
	if p.ErrorEstimate.Multiplier() == 0 {
		return SenderPacket{}, ErrMultiplier
	}
	if len(packet) >= at.base {
		p.SSID = binary.BigEndian.Uint16(packet[at.ssid:])
		p.TLVs = packet[at.base:]
	}
	return p, nil
}
