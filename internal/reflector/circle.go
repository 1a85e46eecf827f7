package reflector

import (
	"encoding/binary"
	"slices"

	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

const (
	// circleNumbers is how many numbers a circle remembers. Whoever goes on gets past as many probes
	// that are not new to it at most, as after a restart on the same port.
	circleNumbers = 32
	// circleProbes is how many probes in a row without a number that is new are answered.
	circleProbes = 64
)

// circle finds probes that go round between another reflector and us. A reply is a well-formed probe
// itself, so one datagram with a forged source would have the two answer each other forever. It never
// brings a number that was not there before; a prober does so within circleNumbers probes, whatever
// is lost, comes twice or comes late.
type circle struct {
	seen  [2]uint64 // bit n: number n came since the last time that all were forgotten
	count uint8     // of the numbers in seen
	stale uint8     // probes in a row whose number was in seen
}

// closed takes a probe's number and reports whether it goes round.
func (c *circle) closed(number int) bool {
	word, bit := &c.seen[number/64], uint64(1)<<(number%64)
	if *word&bit != 0 {
		c.stale = min(c.stale+1, circleProbes+1)
		return c.stale > circleProbes
	}
	if c.count == circleNumbers {
		c.seen, c.count = [2]uint64{}, 0
	}
	*word |= bit
	c.count++
	c.stale = 0
	return false
}

// answersAt reports whether we answer at this UDP port. A probe from there is most likely a reply: of
// ourselves, or of a host of the same fleet.
func (r *Reflector) answersAt(port uint16) bool { return slices.Contains(r.ports, port) }

// stampFields are where a reply has fields that a request does not have (RFC 8762 sections 4.2 and 4.3):
// offsets in octets.
type stampFields struct{ t3, t2, estimate int }

var (
	openFields          = stampFields{t3: 4, t2: 16, estimate: 36}
	authenticatedFields = stampFields{t3: 16, t2: 32, estimate: 72}
)

// longestResidence is how long a reflector may take for a reply, in seconds.
const longestResidence = 10

// isReply reports whether a STAMP packet is a session-reflector's. It is a well-formed request, too, and
// so one with a forged source would go round between two reflectors forever; stateful ones even give it a
// new number each time. But where it has T2 and the copied error estimate, a request has zeros, or TWAMP
// Light's padding, which is a time near T3 by chance in one of 300 million. What else is copied may have
// been forged as zero.
func (at *stampFields) isReply(packet []byte) bool {
	if len(packet) < stamp.MinReflectorSize || len(packet) < at.estimate+2 {
		return false
	}
	residence := int32(binary.BigEndian.Uint32(packet[at.t3:]) - binary.BigEndian.Uint32(packet[at.t2:]))
	return residence >= -1 && residence <= longestResidence && packet[at.estimate+1] != 0 &&
		binary.BigEndian.Uint64(packet[at.t2:]) != 0
}
