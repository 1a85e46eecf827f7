package stamp

import (
	"errors"
	"time"
)

// Timestamp is a timestamp as it is on the wire, 8 octets: seconds in the upper half, the fraction of
// a second in the lower one, in the node's format (RFC 8762 section 4.2.1).
type Timestamp uint64

// Format is a timestamp's format, the Z bit of the error estimate beside it (RFC 8186 section 2.3).
type Format uint8

// Formats. T1 is in the session-sender's format, T2 and T3 in the session-reflector's; the two may
// differ.
const (
	// NTP: seconds since 1900-01-01 UTC, which wrap in 2036, and units of 2^-32 s (RFC 5905
	// section 6). What nodes use unless configured otherwise.
	NTP Format = iota
	// PTP: the truncated PTPv2 format, seconds since 1970-01-01, which wrap in 2106, and nanoseconds
	// (IEEE 1588-2008). By the book the seconds are TAI.
	PTP
)

// ErrNanoseconds: a PTP timestamp with a second or more in its nanoseconds field.
var ErrNanoseconds = errors.New("stamp: PTP timestamp with 10^9 nanoseconds or more")

const (
	nanosPerSecond = 1_000_000_000
	ntpToUnix      = 2_208_988_800 // seconds from 1900-01-01 to 1970-01-01 (RFC 868)
)

// Timestamp writes a time given in nanoseconds since the Unix epoch. The fraction of NTP is rounded to
// the nearest, so that UnixNanos returns the same time. The TAI offset is for PTP only: how much the
// node's PTP timestamps are ahead of UTC, 37 s since 2017 if they are TAI, and 0 if they are UTC, as
// much software has it.
func (f Format) Timestamp(unixNanos int64, taiOffset time.Duration) Timestamp {
	if f == PTP {
		seconds, nanos := split(unixNanos + int64(taiOffset))
		return Timestamp(uint64(uint32(seconds))<<32 | nanos)
	}
	seconds, nanos := split(unixNanos)
	fraction := (nanos<<32 + nanosPerSecond/2) / nanosPerSecond
	return Timestamp(uint64(uint32(seconds+ntpToUnix))<<32 | fraction)
}

// UnixNanos reads a timestamp, as nanoseconds since the Unix epoch. Of the times that its seconds can
// stand for it takes the one nearest to near, which must be within 68 years of it. The TAI offset is
// that of the node which wrote it, as for Timestamp. The error is ErrNanoseconds.
func (f Format) UnixNanos(t Timestamp, near int64, taiOffset time.Duration) (int64, error) {
	seconds, fraction := uint32(t>>32), uint64(uint32(t))
	if f == PTP {
		if fraction >= nanosPerSecond {
			return 0, ErrNanoseconds
		}
		offset := int64(taiOffset)
		return unfold(seconds, near+offset)*nanosPerSecond + int64(fraction) - offset, nil
	}
	nanos := (fraction*nanosPerSecond + 1<<31) >> 32
	return unfold(seconds-ntpToUnix, near)*nanosPerSecond + int64(nanos), nil
}

// unfold returns the seconds nearest to a time in nanoseconds of which only the lower 32 bits are known.
func unfold(seconds uint32, near int64) int64 {
	nearSeconds, _ := split(near)
	return nearSeconds + int64(int32(seconds-uint32(nearSeconds)))
}

// split divides with the remainder in [0, 10^9), before the epoch too.
func split(unixNanos int64) (seconds int64, nanos uint64) {
	seconds, rest := unixNanos/nanosPerSecond, unixNanos%nanosPerSecond
	if rest < 0 {
		seconds, rest = seconds-1, rest+nanosPerSecond
	}
	return seconds, uint64(rest)
}
