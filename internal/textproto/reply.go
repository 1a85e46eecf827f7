package textproto

import "bytes"

// What two instances of this program tell each other at the start of the padding, which the reference
// implementation sends back as it came.
const (
	StampQuery  = "<stamp?>" // the prober: do you know STAMP?
	StampAnswer = "<stamp!>" // the reflector, in the same place: yes
)

// AppendReply appends the session-reflector's answer to m and returns the extended slice: the
// request with our name and our receive timestamp at (T2, nanoseconds since the Unix epoch) in
// place of the sender's. Where those are longer than the sender's, padding is cut from its end, so
// that no reply is longer than its request as long as there is padding to cut; the octets that are
// left are the request's. A reply without padding is longer by what is still missing: the
// difference of the names, and of the timestamps if the sender's has fewer digits than ours.
//
// Dst must not overlap the octets m points to.
func AppendReply(dst []byte, m Message, name string, at int64) []byte {
	start := len(dst)
	dst = appendHeader(dst, m.Seq, name, at, m.Tags)
	room := m.size() - (len(dst) - start)
	return append(dst, m.Padding[:min(max(room, 0), len(m.Padding))]...)
}

// AsksStamp reports whether the prober asks for STAMP.
func (m *Message) AsksStamp() bool { return bytes.HasPrefix(m.Padding, []byte(StampQuery)) }

// AppendStampReply is AppendReply of a session-reflector that knows STAMP: if m asks for that,
// StampAnswer takes the query's place. It is never cut, so that the reply to a message with little
// more padding than the query can be longer, like one without padding.
func AppendStampReply(dst []byte, m Message, name string, at int64) []byte {
	if !m.AsksStamp() {
		return AppendReply(dst, m, name, at)
	}
	start := len(dst)
	dst = appendHeader(dst, m.Seq, name, at, m.Tags)
	room := max(m.size()-(len(dst)-start), len(StampAnswer))
	padding := m.Padding[:min(room, len(m.Padding))]
	return append(append(dst, StampAnswer...), padding[len(StampQuery):]...)
}
