package textproto

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// AppendTags appends the tags field for tags, as Python's str of the list would give it, and
// returns the extended slice. Octets that are not UTF-8 become U+FFFD. A bar in a tag stays a bar,
// and no message can carry it: callers must have refused it, as they must a result longer than
// MaxTags.
//
// Characters that are new in Unicode are unprintable, and so escaped, for a Python that doesn't
// know them yet. Both forms are the same text to ParseTags and to Python.
func AppendTags(dst []byte, tags []string) []byte {
	dst = append(dst, '[')
	for i, tag := range tags {
		dst = AppendTag(dst, i, []byte(tag))
	}
	return append(dst, ']')
}

// AppendTag appends the tag with index i of a list that the caller begins with '[' and ends with ']',
// as AppendTags does. It allocates nothing if dst has the capacity: at most 10 octets for each of the
// tag, and 4 more.
func AppendTag(dst []byte, i int, tag []byte) []byte {
	if i > 0 {
		dst = append(dst, ", "...)
	}
	return appendRepr(dst, tag)
}

// appendRepr appends s as Python's repr would give it. See unicode_repr in CPython 3.11,
// Objects/unicodeobject.c.
func appendRepr(dst, s []byte) []byte {
	quote := byte('\'')
	if bytes.IndexByte(s, '\'') >= 0 && bytes.IndexByte(s, '"') < 0 {
		quote = '"'
	}
	dst = append(dst, quote)
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		s = s[n:]
		switch {
		case r == rune(quote) || r == '\\':
			dst = append(dst, '\\', byte(r))
		case unicode.IsPrint(r):
			dst = utf8.AppendRune(dst, r)
		default:
			dst = appendUnprintable(dst, r)
		}
	}
	return append(dst, quote)
}

func appendUnprintable(dst []byte, r rune) []byte {
	switch {
	case r == '\n':
		return append(dst, `\n`...)
	case r == '\r':
		return append(dst, `\r`...)
	case r == '\t':
		return append(dst, `\t`...)
	case r <= 0xff:
		return appendHex(append(dst, `\x`...), r, 2)
	case r <= 0xffff:
		return appendHex(append(dst, `\u`...), r, 4)
	}
	return appendHex(append(dst, `\U`...), r, 8)
}

func appendHex(dst []byte, r rune, digits int) []byte {
	for i := digits - 1; i >= 0; i-- {
		dst = append(dst, "0123456789abcdef"[r>>(4*i)&0xf])
	}
	return dst
}
