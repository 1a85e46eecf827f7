package isolation

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/engine"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// Messages travel over a pair of SOCK_SEQPACKET sockets, which keep their limits: one message is one
// packet of two octets, version and kind, and a body in JSON.
const (
	version    = 1
	headerSize = 2
	// maxMessage bounds a message in octets: a session with 32 tags of 200 octets, each of them escaped,
	// or a stack trace, fit into it.
	maxMessage = 64 << 10
)

// kind is what a message asks for or tells, and so what its body is.
type kind byte

// From the parent to the child.
const (
	configure kind = iota + 1 // a setup, first and once
	add                       // an addition
	remove                    // a measurement.SessionID
	drain                     // no body
	stop                      // no body
)

// From the child to the parent.
const (
	noted   kind = iota + 101 // a string: what the system refused and how it goes on without
	ready                     // no body: the loops run
	refused                   // a string: why they can't run
	drained                   // no body
	failed                    // a string: what ended a loop
)

// setup is what a child must know to begin.
type setup struct {
	Engine     engine.Config
	LockMemory bool
	Lent       []packetio.Lent // their descriptors as the child has them
}

// addition is a session to be probed, with slots that count from Since on; 0 = from now on.
type addition struct {
	Session measurement.Session
	Since   clock.Mono
}

var errMessage = errors.New("bad message")

// encode makes a message. body may be nil.
func encode(k kind, body any) ([]byte, error) {
	message := []byte{version, byte(k)}
	if body == nil {
		return message, nil
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	if len(text) > maxMessage-headerSize {
		return nil, fmt.Errorf("%w: %d octets, more than %d", errMessage, len(text), maxMessage)
	}
	return append(message, text...), nil
}

// decode takes a message apart. The body is a part of the message.
func decode(message []byte) (k kind, body []byte, err error) {
	if len(message) < headerSize {
		return 0, nil, fmt.Errorf("%w: %d octets", errMessage, len(message))
	}
	if message[0] != version {
		return 0, nil, fmt.Errorf("%w: version %d, want %d", errMessage, message[0], version)
	}
	return kind(message[1]), message[headerSize:], nil
}

// decodeBody reads a message's body.
func decodeBody[T any](body []byte) (T, error) {
	var value T
	if err := json.Unmarshal(body, &value); err != nil {
		return value, fmt.Errorf("%w: %v", errMessage, err) // of the JSON library, nothing to match
	}
	return value, nil
}
