package textproto

import (
	"bytes"
	"encoding/binary"
)

// Scanner finds the messages in a TCP stream, in whatever pieces it arrives:
//
//	for {
//		n := read(s.Free())
//		s.Fed(n)
//		for {
//			m, ok, err := s.Next()
//			… close the connection on err, read again if !ok
//		}
//	}
//
// A header ends at its fourth bar. What follows is padding as long as it is zeros. SEQ has no
// leading zeros, so the next message begins at the first other digit, or at the last zero if a bar
// comes after it:
//
//	…|000|   → 00 is padding, then SEQ 0
//	…|0007|  → 000 is padding, then SEQ 7
//	…|00010| → 000 is padding, then SEQ 10
//
// A message is complete as soon as its header is: its padding is what has arrived of it, and zeros
// that come later belong to nobody. So do zeros before the first message. Sequence number, name,
// timestamp and tags, and the error that ends the stream, do not depend on how the stream was cut.
//
// Padding that is not zeros, which a datagram may have, can't be told from a damaged header in a
// stream and is an error.
type Scanner struct {
	buf []byte
	// buf[start:end] has not been consumed. Outside a header that is at most one octet once Next
	// has reported false: a zero that may turn out to be the SEQ of the next message.
	start, end int
	limit      int

	inHeader bool   // a message begins at start; else there is padding to skip
	bars     [4]int // its bars so far, counted from start
	found    int    // how many of them
	err      error
}

// fieldLimits are the octets that the fields of a header have at most, and what it is called when
// there are more.
var fieldLimits = [4]struct {
	octets int
	err    error
}{
	{maxSeqDigits, ErrSeq},
	{MaxName, ErrName},
	{maxTimestampDigits, ErrTimestamp},
	{MaxTags, ErrTags},
}

// NewScanner returns a scanner for messages of up to limit octets, at least 1. Padding beyond that
// is skipped, a header longer than that is ErrFields. All memory the scanner ever uses is allocated
// here.
func NewScanner(limit int) *Scanner {
	return &Scanner{
		buf:   make([]byte, limit+1), // a zero may have to be kept before a message of full length
		limit: limit,
	}
}

// Reset forgets everything, for use with a new stream.
func (s *Scanner) Reset() {
	*s = Scanner{buf: s.buf, limit: s.limit}
}

// Free returns where the next octets of the stream are to be put. It is never empty if Next has
// reported false since the last Fed. It ends the validity of the messages returned so far.
func (s *Scanner) Free() []byte {
	s.end = copy(s.buf, s.buf[s.start:s.end])
	s.start = 0
	return s.buf[s.end:]
}

// Fed tells the scanner that n octets were put at the start of what Free returned.
func (s *Scanner) Fed(n int) {
	if n < 0 || n > len(s.buf)-s.end {
		panic("textproto: fed more octets than there was room for")
	}
	s.end += n
}

// Next returns the next message of those octets that were fed. It is valid until the next call of
// Free or Fed. False without an error means that more octets are needed. An error, one of the Err
// values of this package, means that the stream is no text protocol from here on: it is returned
// again by every later call until Reset.
func (s *Scanner) Next() (Message, bool, error) {
	if s.err == nil && !s.inHeader {
		s.skipPadding()
	}
	if s.err == nil && s.inHeader {
		s.findBars()
	}
	if s.err != nil || s.found < len(s.bars) {
		return Message{}, false, s.err
	}
	return s.take()
}

// skipPadding moves start to where the next message begins, or to the last zero if all that is at
// hand are zeros. It returns how many zeros seem to be padding: the last one, though it stays, too.
func (s *Scanner) skipPadding() int {
	rest := s.buf[s.start:s.end]
	zeros := countZeros(rest)
	if zeros == len(rest) {
		s.start += max(zeros-1, 0)
		return zeros
	}
	if rest[zeros] == '|' && zeros > 0 {
		zeros-- // the last one is SEQ
	}
	if first := rest[zeros]; first < '0' || first > '9' {
		s.fail(ErrSeq)
		return zeros
	}
	s.start += zeros
	s.inHeader = true
	return zeros
}

// findBars notes the bars of the header that begins at start. A field that is not complete is
// looked at again with every read; it is short enough for that to cost less than the read.
func (s *Scanner) findBars() {
	header := s.buf[s.start:min(s.end, s.start+s.limit)]
	for s.found < len(s.bars) {
		begin := 0
		if s.found > 0 {
			begin = s.bars[s.found-1] + 1
		}
		field, longest := header[begin:], fieldLimits[s.found].octets
		n := bytes.IndexByte(field[:min(len(field), longest+1)], '|')
		switch {
		case n >= 0:
			s.bars[s.found] = begin + n
			s.found++
		case len(field) > longest:
			s.fail(fieldLimits[s.found].err)
			return
		case len(header) == s.limit:
			s.fail(ErrFields)
			return
		default:
			return
		}
	}
}

// take decodes and consumes the message whose bars have been found, and the padding at hand.
func (s *Scanner) take() (Message, bool, error) {
	m, err := decodeHeader(s.buf[s.start:s.end], s.bars)
	if err != nil {
		s.fail(err)
		return Message{}, false, err
	}
	header := s.bars[3] + 1
	s.start += header
	s.inHeader, s.found = false, 0

	rest := s.buf[s.start:s.end]
	padding := s.skipPadding() // an error there is the next call's
	m.Padding = rest[:min(padding, s.limit-header)]
	return m, true, nil
}

func (s *Scanner) fail(err error) {
	s.err = err
	s.start = s.end
}

// countZeros is how many '0' there are at the start of b.
func countZeros(b []byte) int {
	const eight = 0x3030303030303030 // '0' in every octet
	n := 0
	for len(b)-n >= 8 && binary.LittleEndian.Uint64(b[n:]) == eight {
		n += 8
	}
	for n < len(b) && b[n] == '0' {
		n++
	}
	return n
}
