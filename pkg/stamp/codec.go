package stamp

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"hash"
)

// Port is the UDP port of session-reflectors unless configured otherwise (RFC 8762 section 4.1).
const Port = 862

// Sizes of packets, in octets of UDP payload.
const (
	BaseSize              = 44  // both packets, unauthenticated (RFC 8762 sections 4.2.1, 4.3.1)
	AuthenticatedBaseSize = 112 // both packets, authenticated (RFC 8762 sections 4.2.2, 4.3.2)

	// MinSenderSize is the smallest request: TWAMP Light without padding (RFC 5357 section 4.1.2).
	MinSenderSize = 14
	// MinReflectorSize is the smallest reply. RFC 5357 section 4.2.1 has 41 octets, the last of them
	// the TTL; there are responders that leave it out.
	MinReflectorSize = 38

	MaxSize = 65535 - 8 // what a UDP datagram can carry (RFC 768)
)

// Errors of packets as a whole. Those of TLVs begin with ErrTLV.
var (
	// ErrShort: the packet is shorter than the smallest of its mode.
	ErrShort = errors.New("stamp: packet too short")
	// ErrOversize: the packet is longer than a UDP datagram can be.
	ErrOversize = errors.New("stamp: packet too long")
	// ErrHMAC: the base packet's HMAC is not that of its octets under the key (RFC 8762 section 4.4).
	ErrHMAC = errors.New("stamp: HMAC mismatch")
	// ErrMultiplier: the error estimate's multiplier is 0; such a packet is corrupt (RFC 4656
	// section 4.1.2).
	ErrMultiplier = errors.New("stamp: error estimate with multiplier 0")
	// ErrNoRoom: the buffer for the reply is smaller than the reply.
	ErrNoRoom = errors.New("stamp: no room for the reply")
	// ErrNoKey: authenticated mode needs a key.
	ErrNoKey = errors.New("stamp: authenticated mode without a key")
)

// Mode is a session's mode (RFC 8762 section 4). Both nodes are configured with it; a packet does not
// tell.
type Mode uint8

// Modes.
const (
	Unauthenticated Mode = iota // open; also TWAMP Light
	Authenticated               // the base packet carries an HMAC
)

// hmacSize is the length of an HMAC field: HMAC-SHA-256 truncated to 128 bits (RFC 8762 section 4.4).
const hmacSize = 16

// Codec encodes and decodes the packets of one mode and one key. The zero value is for
// unauthenticated mode without a key. With a key it holds the state of a running HMAC and may be used
// from one goroutine at a time; without, from any.
type Codec struct {
	mode Mode
	mac  hash.Hash // nil without a key
	seq  [4]byte   // scratch, in the codec so that it does not escape at each use
	sum  [sha256.Size]byte
}

// NewCodec makes a codec; it is the only function here that allocates by itself. The key is for the
// HMAC of the base packet, in authenticated mode, and for the HMAC TLV, in both. In unauthenticated
// mode it may be empty; with one, TLVs without a valid HMAC TLV are not trusted (RFC 8972 section
// 4.8). The error is ErrNoKey.
func NewCodec(mode Mode, key []byte) (*Codec, error) {
	c := &Codec{mode: mode}
	if len(key) > 0 {
		c.mac = hmac.New(sha256.New, key)
	} else if mode == Authenticated {
		return nil, ErrNoKey
	}
	return c, nil
}

// layout is where the fields of a mode's base packet are: offsets in octets.
type layout struct {
	timestamp, errorEstimate, ssid    int // of the packet's own sender
	receive                           int
	senderSeq, senderTimestamp        int
	senderErrorEstimate, ttl          int
	base, minSenderSize, minReplySize int
}

var (
	openLayout = layout{
		timestamp: 4, errorEstimate: 12, ssid: 14,
		receive:   16,
		senderSeq: 24, senderTimestamp: 28,
		senderErrorEstimate: 36, ttl: 40,
		base: BaseSize, minSenderSize: MinSenderSize, minReplySize: MinReflectorSize,
	}
	authenticatedLayout = layout{
		timestamp: 16, errorEstimate: 24, ssid: 26,
		receive:   32,
		senderSeq: 48, senderTimestamp: 64,
		senderErrorEstimate: 72, ttl: 80,
		base: AuthenticatedBaseSize, minSenderSize: AuthenticatedBaseSize, minReplySize: AuthenticatedBaseSize,
	}
)

func (c *Codec) layout() *layout {
	if c.mode == Authenticated {
		return &authenticatedLayout
	}
	return &openLayout
}

// hmacAt is where the HMAC is in an authenticated base packet; it covers all that is before it.
const hmacAt = AuthenticatedBaseSize - hmacSize

// check refuses a packet that is not of the mode or not authentic, the HMAC before anything that it
// protects is looked at.
func (c *Codec) check(packet []byte, minSize int) error {
	if len(packet) < minSize {
		return ErrShort
	}
	if len(packet) > MaxSize {
		return ErrOversize
	}
	if c.mode == Authenticated && !same(c.digest(packet[:hmacAt], nil), packet[hmacAt:AuthenticatedBaseSize]) {
		return ErrHMAC
	}
	return nil
}

// sign writes the base packet's HMAC, in authenticated mode.
func (c *Codec) sign(packet []byte) {
	if c.mode == Authenticated {
		copy(packet[hmacAt:], c.digest(packet[:hmacAt], nil))
	}
}

// digest returns the truncated HMAC of head and tail, one behind the other; it is valid until the
// next call.
func (c *Codec) digest(head, tail []byte) []byte {
	c.mac.Reset()
	c.mac.Write(head)
	c.mac.Write(tail)
	return c.mac.Sum(c.sum[:0])[:hmacSize]
}

// digestTLVs returns the HMAC for an HMAC TLV that comes behind tlvs (RFC 8972 section 4.8).
func (c *Codec) digestTLVs(seq uint32, tlvs []byte) []byte {
	binary.BigEndian.PutUint32(c.seq[:], seq)
	return c.digest(c.seq[:], tlvs)
}

// same compares in constant time.
func same(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
