package textproto

import (
	"bytes"
	"strconv"
)

// Template makes the messages of one session in place: from one to the next only SEQ and the
// timestamp are rewritten, whatever the size.
//
// SEQ stands right-aligned before the fixed rest, so a message begins up to two octets into the
// buffer, and there is enough padding to end as many octets later:
//
//	␣␣7|host-a|1795375380625056238|[]|00000000
//	  └──────────────── size ────────────────┘
//	100|host-a|1795375380625056238|[]|00000000
//	└──────────────── size ────────────────┘
type Template struct {
	buf   []byte
	stamp []byte // the timestamp's digits within buf
	least int    // where in buf a message ends that is longer than size: behind the header and the query
	size  int
}

// minStamp is the first timestamp of 19 digits, 2001-09-09T01:46:40Z. The last is that of the
// largest int64, in the year 2262.
const minStamp = 1_000_000_000_000_000_000

// NewTemplate returns a template for messages of size octets; 0 means no padding. If the header
// alone is longer than size, the messages are headers. The name and the tags field (see AppendTags)
// are written as they are: to check them is the caller's part.
func NewTemplate(name string, tags []byte, size int) *Template {
	return newTemplate(name, tags, "", size)
}

// NewQueryTemplate is like NewTemplate for messages that ask whether the reflector knows STAMP: their
// padding begins with StampQuery, for which there is room whatever the size.
func NewQueryTemplate(name string, tags []byte, size int) *Template {
	return newTemplate(name, tags, StampQuery, size)
}

// newTemplate has the padding begin with head.
func newTemplate(name string, tags []byte, head string, size int) *Template {
	b := make([]byte, maxSeqDigits)
	b = append(b, '|')
	b = append(b, name...)
	b = append(b, '|')
	stamp := len(b)
	b = strconv.AppendInt(b, minStamp, 10)
	b = append(b, '|')
	b = append(b, tags...)
	b = append(b, '|')
	b = append(b, head...)
	least := len(b)
	if longest := size + maxSeqDigits - 1; longest > least {
		b = append(b, bytes.Repeat([]byte{'0'}, longest-least)...)
	}
	return &Template{
		buf:   b,
		stamp: b[stamp : stamp+maxTimestampDigits],
		least: least,
		size:  size,
	}
}

// Message returns the message with sequence number seq and timestamp at, in nanoseconds since the
// Unix epoch. It is valid until the next call and must not be changed. It is nil, and the message
// made before is left as it was, if seq is not in 0 to 100 or at is before September 2001: such a
// time has fewer digits than the template has room for, and comes from a clock that was never set.
func (t *Template) Message(seq int, at int64) []byte {
	if seq < 0 || seq >= Numbers || !t.Stamp(at) {
		return nil
	}
	start := maxSeqDigits
	for n := seq; ; n /= 10 {
		start--
		t.buf[start] = byte('0' + n%10)
		if n < 10 {
			break
		}
	}
	return t.buf[start:max(t.least, start+t.size)]
}

// Stamp writes at over the timestamp of the message last made, as the last thing before it is
// sent. It reports false and changes nothing if at is a time that Message refuses: then the message
// must not be sent, because its timestamp is an old one.
func (t *Template) Stamp(at int64) bool {
	if at < minStamp {
		return false
	}
	n := uint64(at)
	for i := maxTimestampDigits - 1; i >= 0; i-- {
		t.stamp[i] = byte('0' + n%10)
		n /= 10
	}
	return true
}
