package stamp

import (
	"math"
	"math/bits"
	"time"
)

// ErrorEstimate is a node's statement on its timestamps, 2 octets on the wire: S (1 bit), Z (1 bit),
// scale (6 bits), multiplier (8 bits). The error is multiplier x 2^(scale-32) seconds (RFC 4656
// section 4.1.2, RFC 8762 section 4.2.1). A multiplier of 0 is not allowed, so the zero value is none.
type ErrorEstimate uint16

// SyncBit is S: the clock is synchronised to UTC by an external source. To be set with |.
const SyncBit ErrorEstimate = 1 << 15

const formatBit ErrorEstimate = 1 << 14

// maxError is how large an error NewErrorEstimate writes, in nanoseconds: 68 years.
const maxError = int64(1<<31) * nanosPerSecond

// NewErrorEstimate states an error bound for timestamps of a format, without SyncBit. It takes the
// smallest scale at which the multiplier fits and rounds the bound up, at most by one part in 128; a
// bound of 0 or less becomes the smallest that can be said, 2^-32 s.
func NewErrorEstimate(bound time.Duration, f Format) ErrorEstimate {
	hi, lo := bits.Mul64(uint64(min(max(int64(bound), 0), maxError)), 1<<32)
	units, rest := bits.Div64(hi, lo, nanosPerSecond) // of 2^-32 s
	if rest > 0 {
		units++
	}
	scale := max(bits.Len64(units)-8, 0)
	multiplier := (units + 1<<scale - 1) >> scale
	if multiplier > math.MaxUint8 { // rounded up to 256
		scale++
		multiplier >>= 1
	}
	e := ErrorEstimate(scale)<<8 | ErrorEstimate(max(multiplier, 1))
	if f == PTP {
		e |= formatBit
	}
	return e
}

// Bound is the error, rounded up to nanoseconds. It is the longest duration there is if that is less
// than the error.
func (e ErrorEstimate) Bound() time.Duration {
	const places = 32 // binary ones, of the unit of scale 0
	units := uint64(e.Multiplier()) * nanosPerSecond
	if left := e.Scale() - places; left > 0 {
		if bits.Len64(units)+left > 63 {
			return math.MaxInt64
		}
		return time.Duration(units << left)
	}
	right := places - e.Scale()
	return time.Duration((units + 1<<right - 1) >> right)
}

// Synchronised reports S: the clock is synchronised to UTC by an external source.
func (e ErrorEstimate) Synchronised() bool { return e&SyncBit != 0 }

// Format is the format of the timestamps that the estimate is for: Z (RFC 8186 section 2.3).
func (e ErrorEstimate) Format() Format {
	if e&formatBit != 0 {
		return PTP
	}
	return NTP
}

// Scale is the exponent of the error, 0 to 63.
func (e ErrorEstimate) Scale() int { return int(e >> 8 & 0x3f) }

// Multiplier is the factor of the error, 1 to 255; 0 in a corrupt packet.
func (e ErrorEstimate) Multiplier() int { return int(e & 0xff) }
