package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// rule says which values a key may have.
type rule[T any] struct {
	kind    string              // the type of the value: "an integer"
	allowed string              // which values of that type: "1 to 65535"; "" is all
	decode  func(any) (T, bool) // takes what TOML gives; false is the wrong type
	valid   func(T) bool        // nil is all
}

// want is the whole demand, for a value of the wrong type.
func (r rule[T]) want() string {
	if r.allowed == "" {
		return r.kind
	}
	return r.kind + ", " + r.allowed
}

func (r rule[T]) accepts(value T) bool {
	return r.valid == nil || r.valid(value)
}

// listRule says which values a list may have.
type listRule[T any] struct {
	kind     string
	maxCount int
	distinct bool
	element  rule[T]
}

// intBetween takes integers from low to high. The unit may be "".
func intBetween(low, high int, unit string) rule[int] {
	return rule[int]{
		kind:    "an integer",
		allowed: withUnit(fmt.Sprintf("%d to %d", low, high), unit),
		decode:  decodeInt,
		valid:   func(v int) bool { return low <= v && v <= high },
	}
}

// numberBetween takes integers and fractions from low to high.
func numberBetween(low, high float64, unit string) rule[float64] {
	return rule[float64]{
		kind:    "a number",
		allowed: withUnit(showNumber(low)+" to "+showNumber(high), unit),
		decode:  decodeNumber,
		valid:   func(v float64) bool { return low <= v && v <= high }, // false for NaN
	}
}

func withUnit(values, unit string) string {
	if unit == "" {
		return values
	}
	return values + " " + unit
}

// textOf takes strings of low to high octets that are safe in messages and metrics, where "|"
// separates fields.
func textOf(low, high int) rule[string] {
	return rule[string]{
		kind:    "a string",
		allowed: fmt.Sprintf(`%d to %d octets of UTF-8 without "|" and control characters`, low, high),
		decode:  decodeString,
		valid:   func(s string) bool { return low <= len(s) && len(s) <= high && isFieldText(s) },
	}
}

// isFieldText reports whether s can be a field of a message.
func isFieldText(s string) bool {
	return !strings.Contains(s, "|") && isPlainText(s)
}

// isPlainText reports whether s is valid UTF-8 without control characters.
func isPlainText(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// oneOf takes the given words.
func oneOf(words ...string) rule[string] {
	return rule[string]{
		kind:    "a string",
		allowed: enumerate(words),
		decode:  decodeString,
		valid:   func(s string) bool { return slices.Contains(words, s) },
	}
}

// oneOfFolded takes the given words whatever their case.
func oneOfFolded[W ~string](named ...W) rule[string] {
	words := make([]string, len(named))
	for i, word := range named {
		words[i] = string(word)
	}
	r := oneOf(words...)
	r.valid = func(s string) bool {
		return slices.ContainsFunc(words, func(word string) bool { return strings.EqualFold(word, s) })
	}
	return r
}

// enumerate writes words as "a, b or c".
func enumerate(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func decodeInt(value any) (int, bool) {
	v, ok := value.(int64)
	// Every range fits an int of 32 bits, so clamping keeps a value that is too big too big.
	return int(min(max(v, math.MinInt32), math.MaxInt32)), ok
}

func decodeNumber(value any) (float64, bool) {
	switch v := value.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func decodeString(value any) (string, bool) {
	v, ok := value.(string)
	return v, ok
}

func decodeBool(value any) (bool, bool) {
	v, ok := value.(bool)
	return v, ok
}

func showNumber(v float64) string {
	return strconv.FormatFloat(v, 'f', -1, 64)
}
