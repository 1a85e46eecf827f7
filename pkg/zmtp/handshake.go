package zmtp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// The greeting, by offset and length in octets (RFC 37, Formal Grammar):
//
//	 0 10   signature: 0xff, 8 octets of padding, 0x7f
//	10  2   version: major, minor
//	12 20   security mechanism, padded with zeros
//	32  1   as-server: 0 for the NULL mechanism
//	33 31   filler
const (
	signatureSize = 10
	majorOffset   = 10
	minorOffset   = 11
	mechanismAt   = 12
	mechanismSize = 20
	greetingSize  = 64
)

var nullMechanism = [mechanismSize]byte{'N', 'U', 'L', 'L'}

func greeting() []byte {
	b := make([]byte, greetingSize)
	b[0], b[signatureSize-1] = 0xff, 0x7f
	b[majorOffset], b[minorOffset] = 3, 1
	copy(b[mechanismAt:], nullMechanism[:])
	return b
}

// handshake greets the peer and exchanges READY commands, all by the deadline. heartbeats tells
// whether the peer knows PING.
func handshake(r *reader, deadline time.Time) (heartbeats bool, err error) {
	if err := r.conn.SetDeadline(deadline); err != nil {
		return false, err
	}
	heartbeats, err = exchange(r)
	if isTimeout(err) {
		return false, ErrHandshakeTimeout
	}
	return heartbeats, err
}

func exchange(r *reader) (heartbeats bool, err error) {
	// All of the greeting goes out at once: there is no older version to fall back to.
	if _, err := r.conn.Write(greeting()); err != nil {
		return false, err
	}
	if heartbeats, err = readGreeting(r); err != nil {
		return false, err
	}
	if err := readReady(r); err != nil {
		return false, err
	}
	_, err = r.conn.Write(appendCommand(nil, "READY", property("Socket-Type", "PUB")...))
	return heartbeats, err
}

// readGreeting judges each part as soon as it is there: peers of older versions send less than a
// greeting, and then wait. Padding, as-server and filler are not looked at.
func readGreeting(r *reader) (heartbeats bool, err error) {
	if err := r.need(1); err != nil {
		return false, err
	}
	if r.unread()[0] != 0xff {
		return false, ErrNotZMTP
	}
	if err := r.need(signatureSize); err != nil {
		return false, err
	}
	if r.unread()[signatureSize-1] != 0x7f {
		return false, ErrNotZMTP
	}
	if err := r.need(majorOffset + 1); err != nil {
		return false, err
	}
	if major := r.unread()[majorOffset]; major < 3 {
		return false, fmt.Errorf("%w: %d", ErrVersion, major)
	}
	if err := r.need(greetingSize); err != nil {
		return false, err
	}
	g := r.unread()[:greetingSize]
	r.start += greetingSize
	if !bytes.Equal(g[mechanismAt:mechanismAt+mechanismSize], nullMechanism[:]) {
		return false, fmt.Errorf("%w: %q", ErrMechanism,
			bytes.TrimRight(g[mechanismAt:mechanismAt+mechanismSize], "\x00"))
	}
	// A peer that is ahead of 3.1 speaks 3.1 to us.
	return g[majorOffset] > 3 || g[minorOffset] >= 1, nil
}

// readReady reads the peer's READY command. A peer of the wrong type is told so.
func readReady(r *reader) error {
	f, err := r.frame()
	if err != nil {
		return err
	}
	if f.flags&flagCommand == 0 {
		return fmt.Errorf("%w: a message instead", ErrReady)
	}
	name, data, err := parseCommand(f.body)
	if err != nil {
		return err
	}
	if string(name) != "READY" {
		return fmt.Errorf("%w: %q instead", ErrReady, name)
	}
	socketType, err := socketTypeOf(data)
	if err != nil {
		return err
	}
	if t := string(socketType); t != "SUB" && t != "XSUB" {
		refuse(r, "Invalid socket type")
		return fmt.Errorf("%w: %q", ErrSocketType, shortened(socketType))
	}
	return nil
}

// refuse sends an ERROR command (RFC 37, The Socket-Type Property). It need not arrive.
func refuse(r *reader, reason string) {
	data := append([]byte{byte(len(reason))}, reason...)
	_, _ = r.conn.Write(appendCommand(nil, "ERROR", data...))
}

// shortened keeps what a stranger sent from filling a log.
func shortened(b []byte) []byte { return b[:min(len(b), 32)] }

// property encodes a property of a READY command (RFC 37, The NULL Security Mechanism): length of the
// name (1 octet), name, length of the value (4 octets), value.
func property(name, value string) []byte {
	b := append([]byte{byte(len(name))}, name...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(value)))
	return append(b, value...)
}

// socketTypeOf returns the Socket-Type among the properties of a READY command; empty if there is
// none. Other properties may be anything, but must be well-formed.
func socketTypeOf(metadata []byte) (socketType []byte, err error) {
	for len(metadata) > 0 {
		nameEnd := 1 + int(metadata[0])
		if nameEnd == 1 || len(metadata) < nameEnd+4 {
			return nil, fmt.Errorf("%w: malformed properties", ErrReady)
		}
		name := metadata[1:nameEnd]
		size := binary.BigEndian.Uint32(metadata[nameEnd:])
		metadata = metadata[nameEnd+4:]
		if uint64(size) > uint64(len(metadata)) {
			return nil, fmt.Errorf("%w: malformed properties", ErrReady)
		}
		if strings.EqualFold(string(name), "Socket-Type") {
			socketType = metadata[:size]
		}
		metadata = metadata[size:]
	}
	return socketType, nil
}
