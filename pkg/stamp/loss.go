package stamp

// Numbers are the sequence numbers of one reply: the session-sender's, copied, and the reflector's
// own (RFC 8762 section 4.3.1).
type Numbers struct {
	Sender, Reflector uint32
}

// Numbers gives a reply's sequence numbers.
func (p *ReflectorPacket) Numbers() Numbers {
	return Numbers{Sender: p.SenderSeq, Reflector: p.Seq}
}

// LossSince counts what was lost between two replies, one received after the other, of a stateful
// reflector: on the way out, requests that it did not answer; on the way back, answers that did not
// come (RFC 8762 section 4). A reply that is overtaken by another counts as lost on the way back. A
// request that came to the reflector twice makes forward smaller by 1, so it can be negative.
//
// It is not ok if n is not later than earlier in both numbers, modulo 2^32: then the reply was
// overtaken or is a duplicate, and earlier stays the one to compare with, or the reflector began to
// count anew. A stateless reflector copies the sender's number, so that all loss looks like loss on
// the way back; the packets do not tell, unless by Direct Measurement.
func (n Numbers) LossSince(earlier Numbers) (forward, backward int64, ok bool) {
	sent := int32(n.Sender - earlier.Sender)
	answered := int32(n.Reflector - earlier.Reflector)
	if sent <= 0 || answered <= 0 {
		return 0, 0, false
	}
	return int64(sent) - int64(answered), int64(answered) - 1, true
}
