package sender

import "github.com/latency-monitor/latency-monitor/internal/clock"

// octet follows a value that replies report, to tell when it has changed for good. Packets that take
// two paths in turn, on which it differs, would else have it told all the time.
type octet struct {
	told  uint8
	known bool // told has a value
	other uint8
	run   int        // replies in a row with the other value
	since clock.Mono // when that began
}

// settled is how many replies in a row must report a new value, and over calm at least.
const settled = 3

// take takes the value of one reply and reports whether it is to be told.
func (o *octet) take(value uint8, now clock.Mono) bool {
	switch {
	case !o.known:
	case value == o.told:
		o.run = 0
		return false
	case o.run == 0 || value != o.other:
		o.other, o.run, o.since = value, 1, now
		return false
	default:
		if o.run++; o.run < settled || now.Sub(o.since) < calm {
			return false
		}
	}
	o.told, o.known, o.run = value, true, 0
	return true
}
