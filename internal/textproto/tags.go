package textproto

import "unicode/utf8"

// ValidTags reports whether b is a tags field that ParseTags can read. It allocates nothing.
func ValidTags(b []byte) bool {
	return scanTags(b, nil)
}

// ParseTags reads a tags field. An empty field and an empty list are both no tags. It returns
// ErrTags if b is longer than MaxTags or not a list of string literals.
//
// It reads all that Python's str of a list of strings can give, and of what Python itself would
// read: either quote for any string, every escape of a string literal but \N{…}, white space
// between the elements, a comma after the last. It does not read what nobody sends: adjacent
// literals that Python would join, prefixes like r'…', triple quotes, comments, backslashes that
// begin no escape, and escapes of surrogates, which are no text.
func ParseTags(b []byte) ([]string, error) {
	var tags []string
	ok := scanTags(b, func(body []byte) {
		tags = append(tags, unescape(body))
	})
	if !ok {
		return nil, ErrTags
	}
	return tags, nil
}

// scanTags calls tag, unless it is nil, with what stands between the quotes of each literal, which
// has been checked. It reports whether all of b is a tags field.
func scanTags(b []byte, tag func(body []byte)) bool {
	if len(b) == 0 {
		return true
	}
	if len(b) > MaxTags {
		return false
	}
	b = skipSpace(b)
	if !startsWith(b, '[') {
		return false
	}
	b = skipSpace(b[1:])
	for !startsWith(b, ']') {
		n := literalLen(b)
		if n == 0 {
			return false
		}
		if tag != nil {
			tag(b[1 : n-1])
		}
		b = skipSpace(b[n:])
		if startsWith(b, ',') {
			b = skipSpace(b[1:])
		} else if !startsWith(b, ']') {
			return false
		}
	}
	return len(skipSpace(b[1:])) == 0
}

func startsWith(b []byte, c byte) bool {
	return len(b) > 0 && b[0] == c
}

// skipSpace skips what Python takes for white space within brackets.
func skipSpace(b []byte) []byte {
	for len(b) > 0 {
		switch b[0] {
		case ' ', '\t', '\n', '\r', '\f':
			b = b[1:]
		default:
			return b
		}
	}
	return b
}

// literalLen is the length of the string literal at the start of b with its quotes, or 0 if there
// is none.
func literalLen(b []byte) int {
	if !startsWith(b, '\'') && !startsWith(b, '"') {
		return 0
	}
	for i := 1; i < len(b); {
		if b[i] == b[0] {
			return i + 1
		}
		_, n := char(b[i:])
		if n == 0 {
			return 0
		}
		i += n
	}
	return 0
}

// unescape is the text of a literal that literalLen has accepted.
func unescape(body []byte) string {
	text := make([]byte, 0, len(body))
	for len(body) > 0 {
		r, n := char(body)
		text = utf8.AppendRune(text, r)
		body = body[n:]
	}
	return string(text)
}

// char returns the first character of b, which is not empty, and how many octets it takes in a
// literal: 0 if it can't stand there.
func char(b []byte) (rune, int) {
	switch b[0] {
	case '\\':
		return escape(b)
	case '\n', '\r', 0:
		return 0, 0
	}
	r, n := utf8.DecodeRune(b)
	if r == utf8.RuneError && n == 1 {
		return 0, 0
	}
	return r, n
}

// escape is char for what begins with a backslash. For the list of escapes see The Python Language
// Reference, 2.4.1 "String and Bytes literals".
func escape(b []byte) (rune, int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch c := b[1]; c {
	case '\\', '\'', '"':
		return rune(c), 2
	case 'a':
		return '\a', 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'v':
		return '\v', 2
	case 'x':
		return hexEscape(b, 2)
	case 'u':
		return hexEscape(b, 4)
	case 'U':
		return hexEscape(b, 8)
	case '0', '1', '2', '3', '4', '5', '6', '7':
		return octalEscape(b)
	}
	return 0, 0
}

func hexEscape(b []byte, digits int) (rune, int) {
	if len(b) < 2+digits {
		return 0, 0
	}
	var code uint32 // holds any eight digits
	for _, c := range b[2 : 2+digits] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, 0
		}
		code = code<<4 | uint32(c)
	}
	if code > utf8.MaxRune || !utf8.ValidRune(rune(code)) {
		return 0, 0
	}
	return rune(code), 2 + digits
}

// octalEscape reads one to three octal digits, the first of which is known to be there.
func octalEscape(b []byte) (r rune, n int) {
	for n = 1; n < 4 && n < len(b) && '0' <= b[n] && b[n] <= '7'; n++ {
		r = r<<3 | rune(b[n]-'0')
	}
	return r, n
}
