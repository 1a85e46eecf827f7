package textproto

import (
	"fmt"
	"strings"
	"unicode"
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
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendRepr(dst, tag)
	}
	return append(dst, ']')
}

// appendRepr appends s as Python's repr would give it. See unicode_repr in CPython 3.11,
// Objects/unicodeobject.c.
func appendRepr(dst []byte, s string) []byte {
	quote := '\''
	if strings.ContainsRune(s, '\'') && !strings.ContainsRune(s, '"') {
		quote = '"'
	}
	dst = append(dst, byte(quote))
	for _, r := range s {
		switch {
		case r == quote || r == '\\':
			dst = append(dst, '\\', byte(r))
		case unicode.IsPrint(r):
			dst = append(dst, string(r)...)
		default:
			dst = appendUnprintable(dst, r)
		}
	}
	return append(dst, byte(quote))
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
		return fmt.Appendf(dst, `\x%02x`, r)
	case r <= 0xffff:
		return fmt.Appendf(dst, `\u%04x`, r)
	}
	return fmt.Appendf(dst, `\U%08x`, r)
}
