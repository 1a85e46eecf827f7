package textproto

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
