package stamp

import (
	"encoding/binary"
	"iter"
	"math"
	"unicode/utf8"
)

// SessionIdentity is the value of a Session Identity TLV, type 244, of this project's own: strings,
// each behind its length in 2 octets, UTF-8: the session-sender's name, which is not empty, and the
// target's tags. It is made by DecodeSessionIdentity, points into the packet, and is nil for none. Two
// identities are the same if their octets are.
type SessionIdentity []byte

const stringHeader = 2

// AppendSessionIdentity appends the TLV. The error is ErrTLVValue for an empty name and for a string
// that is not UTF-8, ErrTLVOversize if the value is longer than a TLV can be; b is then as it was.
func AppendSessionIdentity(b []byte, name string, tags ...string) ([]byte, error) {
	length := stringHeader + len(name)
	valid := name != "" && utf8.ValidString(name)
	for _, tag := range tags {
		length += stringHeader + len(tag)
		valid = valid && utf8.ValidString(tag)
	}
	if !valid {
		return b, ErrTLVValue
	}
	if length > math.MaxUint16 {
		return b, ErrTLVOversize
	}
	b = appendString(appendHeader(b, TypeSessionIdentity, length), name)
	for _, tag := range tags {
		b = appendString(b, tag)
	}
	return b, nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// DecodeSessionIdentity checks the value of the TLV. The errors are ErrTLVLength, if the lengths do not
// add up, and ErrTLVValue, for no name and for what is not UTF-8.
func DecodeSessionIdentity(value []byte) (SessionIdentity, error) {
	named := false
	for rest := value; len(rest) > 0; named = true {
		s, behind, ok := cutString(rest)
		if !ok {
			return nil, ErrTLVLength
		}
		if !utf8.Valid(s) || !named && len(s) == 0 {
			return nil, ErrTLVValue
		}
		rest = behind
	}
	if !named {
		return nil, ErrTLVLength
	}
	return value, nil
}

// Name is the session-sender's name.
func (i SessionIdentity) Name() []byte {
	name, _, _ := cutString(i)
	return name
}

// Tags iterates over the target's tags.
func (i SessionIdentity) Tags() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		_, rest, _ := cutString(i)
		for len(rest) > 0 {
			tag, behind, ok := cutString(rest)
			if !ok || !yield(tag) {
				return
			}
			rest = behind
		}
	}
}

// cutString returns the string with which b begins and what is behind it.
func cutString(b []byte) (s, rest []byte, ok bool) {
	if len(b) < stringHeader {
		return nil, nil, false
	}
	end := stringHeader + int(binary.BigEndian.Uint16(b))
	if end > len(b) {
		return nil, nil, false
	}
	return b[stringHeader:end:end], b[end:], true
}
