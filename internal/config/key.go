package config

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// A key shorter than the 128 bits of HMAC that are on the wire is the weakest part; one longer than
// SHA-256's block is hashed first and gains nothing (RFC 2104 section 3).
const (
	minKeyOctets = 16
	maxKeyOctets = 64
)

// Key is a secret. Print it, and it masks itself.
type Key []byte

// String does not give the key away.
func (k Key) String() string {
	if len(k) == 0 {
		return ""
	}
	return masked
}

// GoString does not either.
func (k Key) GoString() string { return k.String() }

// The encodings of keys that are no text.
const (
	hexPrefix    = "hex:"
	base64Prefix = "base64:"
)

const keyAllowed = `a key of 16 to 64 octets: text without control characters, hex:… or base64:…`

// keyRule takes a key as it is written.
var keyRule = rule[string]{kind: "a string", allowed: keyAllowed, decode: decodeString, valid: isKey}

// noKeyRule takes a key, or "" for none.
var noKeyRule = rule[string]{
	kind:    "a string",
	allowed: keyAllowed + `; "" is none`,
	decode:  decodeString,
	valid:   func(s string) bool { return s == "" || isKey(s) },
}

func isKey(s string) bool {
	_, ok := parseKey(s)
	return ok
}

// parseKey reads a key: text stands for its own octets.
func parseKey(s string) (Key, bool) {
	key, err := Key(s), error(nil)
	if digits, isHex := strings.CutPrefix(s, hexPrefix); isHex {
		key, err = hex.DecodeString(digits)
	} else if letters, isBase64 := strings.CutPrefix(s, base64Prefix); isBase64 {
		key, err = base64.StdEncoding.Strict().DecodeString(letters)
	}
	ok := err == nil && isKeyText(s) && minKeyOctets <= len(key) && len(key) <= maxKeyOctets
	return key, ok
}

// isKeyText refuses what can't be a line of a file with keys, and space at the ends, which nobody sees.
func isKeyText(s string) bool {
	return isPlainText(s) && !isComment(s) && strings.TrimSpace(s) == s
}

func isComment(line string) bool { return strings.HasPrefix(line, "#") }
