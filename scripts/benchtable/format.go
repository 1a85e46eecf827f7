package main

import (
	"math"
	"strconv"
	"strings"
)

// nanoseconds is how the units of durations end.
const nanoseconds = "-ns"

// format writes a value with the digits that mean something, and a duration in the unit that suits it.
func format(value float64, unit string) string {
	if !strings.HasSuffix(unit, nanoseconds) {
		return digits(value, 4)
	}
	switch size := math.Abs(value); {
	case size < 1e3:
		return digits(value, 3) + " ns"
	case size < 1e6:
		return digits(value/1e3, 3) + " µs"
	case size < 1e9:
		return digits(value/1e6, 3) + " ms"
	default:
		return digits(value/1e9, 3) + " s"
	}
}

// digits writes a value with n digits, more when it has more before the point, and no exponent.
func digits(value float64, n int) string {
	if value == 0 || math.IsInf(value, 0) {
		return strconv.FormatFloat(value, 'g', -1, 64)
	}
	decimals := max(0, n-1-int(math.Floor(math.Log10(math.Abs(value)))))
	text := strconv.FormatFloat(value, 'f', decimals, 64)
	if decimals > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}
