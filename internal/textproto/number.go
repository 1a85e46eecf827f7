package textproto

import "bytes"

// Number reads only the sequence number of a message that may be cut short, as in an ICMP error's
// quotation of it; false when not even that is whole.
func Number(b []byte) (seq int, ok bool) {
	end := bytes.IndexByte(b[:min(len(b), maxSeqDigits+1)], '|')
	if end < 0 {
		return 0, false
	}
	seq, err := parseSeq(b[:end])
	return seq, err == nil
}
