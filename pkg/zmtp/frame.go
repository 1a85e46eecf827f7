package zmtp

import (
	"encoding/binary"
	"math"
)

// MaxFrame is the longest body, in octets, of a frame that is accepted from a peer. Nothing that a
// subscriber has to say is near it, but for a subscription to very long beginnings.
const MaxFrame = 4096

// Flags of a frame, 1 octet (RFC 37, Framing). The other bits are reserved and must be 0.
const (
	flagMore     = 1
	flagLong     = 2
	flagCommand  = 4
	flagsDefined = flagMore | flagLong | flagCommand
)

const (
	shortHeader = 2
	longHeader  = 9
)

// frame is a frame that was read. The body is in the reader's buffer, until the next read.
type frame struct {
	flags byte
	body  []byte
}

// parseFrame returns the frame with which b begins and how many octets it takes: 0 if it is not all
// there yet. The length from outside is compared before anything is done with it.
func parseFrame(b []byte) (frame, int, error) {
	if len(b) == 0 {
		return frame{}, 0, nil
	}
	flags := b[0]
	if flags&^flagsDefined != 0 || flags&flagCommand != 0 && flags&flagMore != 0 {
		return frame{}, 0, ErrFrame
	}
	header, size := shortHeader, uint64(0)
	if flags&flagLong != 0 {
		header = longHeader
	}
	if len(b) < header {
		return frame{}, 0, nil
	}
	if flags&flagLong != 0 {
		size = binary.BigEndian.Uint64(b[1:])
	} else {
		size = uint64(b[1])
	}
	if size > MaxFrame {
		return frame{}, 0, ErrFrameSize
	}
	end := header + int(size)
	if len(b) < end {
		return frame{}, 0, nil
	}
	return frame{flags, b[header:end]}, end, nil
}

// appendFrame appends a frame. The kind is 0 for a message, flagCommand for a command. A frame is
// short if it can be, as RFC 37 has it in "Authentication and Confidentiality".
func appendFrame(b []byte, kind byte, body []byte) []byte {
	if len(body) <= math.MaxUint8 {
		b = append(b, kind, byte(len(body)))
	} else {
		b = append(b, kind|flagLong)
		b = binary.BigEndian.AppendUint64(b, uint64(len(body)))
	}
	return append(b, body...)
}

// appendCommand appends a command: its name, with its length, and the data (RFC 37, Commands). Both
// together are at most 254 octets.
func appendCommand(b []byte, name string, data ...byte) []byte {
	b = append(b, flagCommand, byte(1+len(name)+len(data)), byte(len(name)))
	b = append(b, name...)
	return append(b, data...)
}

// parseCommand takes the body of a command apart.
func parseCommand(body []byte) (name, data []byte, err error) {
	if len(body) == 0 || body[0] == 0 || len(body) < 1+int(body[0]) {
		return nil, nil, ErrFrame
	}
	end := 1 + int(body[0])
	return body[1:end], body[end:], nil
}
