package textproto

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"
)

const (
	// Numbers is how many sequence numbers there are: 0 to 100, then 0 again.
	Numbers = 101
	// MaxName is the longest name, in octets.
	MaxName = 64
	// MaxTags is the longest tags field, in octets.
	MaxTags = 4096

	maxSeqDigits       = 3
	maxTimestampDigits = 19 // of the largest int64
)

// What can be wrong with a message. Decode and Scanner.Next return these values themselves, never
// wrapped, so that counting them by kind costs nothing.
var (
	// ErrFields: a datagram has not exactly four bars, or a stream has no fourth bar within the
	// scanner's limit.
	ErrFields = errors.New("text message: not five fields")
	// ErrSeq: the sequence number is not a plain decimal from 0 to 100.
	ErrSeq = errors.New("text message: bad sequence number")
	// ErrName: the name is empty, too long, not UTF-8, or has control characters.
	ErrName = errors.New("text message: bad name")
	// ErrTimestamp: the timestamp is not a plain decimal from 1 to the largest int64.
	ErrTimestamp = errors.New("text message: bad timestamp")
	// ErrTags: the tags are longer than MaxTags or, where their text is read, no list of strings.
	ErrTags = errors.New("text message: bad tags")
)

// Message is a decoded message. Its slices point into the octets it was decoded from and are valid
// as long as those are.
type Message struct {
	Seq       int
	Name      []byte
	Timestamp int64 // nanoseconds since the Unix epoch
	// Tags is the field as it came. Its text has not been looked at: see ValidTags.
	Tags    []byte
	Padding []byte
}

// Possible reports whether a datagram may be a message: it begins with a digit. Most others are told by that at once.
func Possible(b []byte) bool { return len(b) > 0 && b[0]-'0' <= 9 }

// Decode decodes one datagram. Of the tags it checks only the length: their text is the same in
// every message of a session, so it is enough to ask ValidTags when a session is new. The padding
// may be anything without a bar.
func Decode(b []byte) (Message, error) {
	var bars [4]int
	end := 0
	for i := range bars {
		n := bytes.IndexByte(b[end:], '|')
		if n < 0 {
			return Message{}, ErrFields
		}
		bars[i] = end + n
		end += n + 1
	}
	if bytes.IndexByte(b[end:], '|') >= 0 {
		return Message{}, ErrFields
	}
	m, err := decodeHeader(b, bars)
	if err != nil {
		return Message{}, err
	}
	m.Padding = b[end:]
	return m, nil
}

// decodeHeader decodes the four fields that end at bars, the first beginning at 0.
func decodeHeader(b []byte, bars [4]int) (m Message, err error) {
	if m.Seq, err = parseSeq(b[:bars[0]]); err != nil {
		return m, err
	}
	m.Name = b[bars[0]+1 : bars[1]]
	if !validName(m.Name) {
		return m, ErrName
	}
	if m.Timestamp, err = parseTimestamp(b[bars[1]+1 : bars[2]]); err != nil {
		return m, err
	}
	m.Tags = b[bars[2]+1 : bars[3]]
	if len(m.Tags) > MaxTags {
		return m, ErrTags
	}
	return m, nil
}

func parseSeq(b []byte) (int, error) {
	n, ok := parseDecimal(b, maxSeqDigits)
	if !ok || n >= Numbers {
		return 0, ErrSeq
	}
	return int(n), nil
}

func parseTimestamp(b []byte) (int64, error) {
	n, ok := parseDecimal(b, maxTimestampDigits)
	if !ok || n == 0 || n > math.MaxInt64 {
		return 0, ErrTimestamp
	}
	return int64(n), nil
}

// parseDecimal reads 1 to maxDigits digits without leading zeros. 19 digits can't overflow.
func parseDecimal(b []byte, maxDigits int) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > maxDigits || (b[0] == '0' && len(b) > 1) {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// ValidName reports whether b can be the name in a message.
func ValidName(b []byte) bool { return validName(b) && bytes.IndexByte(b, '|') < 0 }

func validName(b []byte) bool {
	if len(b) == 0 || len(b) > MaxName {
		return false
	}
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if (r == utf8.RuneError && n == 1) || unicode.IsControl(r) {
			return false
		}
		b = b[n:]
	}
	return true
}

// size is the length of the octets that m was decoded from.
func (m *Message) size() int {
	const bars = 4
	numbers := digits(int64(m.Seq)) + digits(m.Timestamp)
	return numbers + len(m.Name) + len(m.Tags) + len(m.Padding) + bars
}

// digits is the length of n, which is not negative, in decimal.
func digits(n int64) int {
	d := 1
	for ; n >= 10; n /= 10 {
		d++
	}
	return d
}

func appendHeader(dst []byte, seq int, name string, timestamp int64, tags []byte) []byte {
	dst = strconv.AppendInt(dst, int64(seq), 10)
	dst = append(dst, '|')
	dst = append(dst, name...)
	dst = append(dst, '|')
	dst = strconv.AppendInt(dst, timestamp, 10)
	dst = append(dst, '|')
	dst = append(dst, tags...)
	return append(dst, '|')
}
