package zmtp

import (
	"errors"
	"os"
)

// Why a peer was not let in, before or in the handshake.
var (
	// ErrNotZMTP: what came first is not the signature of a greeting (RFC 37, Formal Grammar). Peers
	// that speak ZMTP 1.0 may begin so.
	ErrNotZMTP = errors.New("zmtp: not a ZMTP greeting")
	// ErrVersion: the peer speaks a version before 3.0 (RFC 37, Version Negotiation).
	ErrVersion = errors.New("zmtp: peer speaks a ZMTP version before 3.0")
	// ErrMechanism: the peer asks for another security mechanism than NULL (RFC 37, Authentication and
	// Confidentiality).
	ErrMechanism = errors.New("zmtp: security mechanism is not NULL")
	// ErrReady: instead of a well-formed READY command something else came (RFC 37, The NULL Security
	// Mechanism); an ERROR command, for example.
	ErrReady = errors.New("zmtp: no valid READY command")
	// ErrSocketType: the peer is neither SUB nor XSUB (RFC 37, The Socket-Type Property).
	ErrSocketType = errors.New("zmtp: peer is neither SUB nor XSUB")
	// ErrHandshakeTimeout: the handshake was not complete in time.
	ErrHandshakeTimeout = errors.New("zmtp: handshake not completed in time")
	// ErrTooMany: there are as many subscribers, or unfinished handshakes, as there may be.
	ErrTooMany = errors.New("zmtp: too many peers")
)

// Why a subscriber was disconnected. The first two may end a handshake, too.
var (
	// ErrFrame: a frame or command does not follow the grammar (RFC 37, Framing, Commands).
	ErrFrame = errors.New("zmtp: malformed frame")
	// ErrFrameSize: a frame with more than MaxFrame octets was announced.
	ErrFrameSize = errors.New("zmtp: frame too long")
	// ErrSubscriptions: there would be more subscriptions, or more octets in them, than one subscriber
	// may have.
	ErrSubscriptions = errors.New("zmtp: too many subscriptions")
	// ErrStalled: the subscriber took nothing of what waited for it, for Options.WriteTimeout.
	ErrStalled = errors.New("zmtp: subscriber takes nothing")
	// ErrSilent: nothing came in answer to a PING, or within the time that the subscriber's own PING
	// gave (RFC 37, Connection Heartbeating).
	ErrSilent = errors.New("zmtp: subscriber gives no sign of life")
)

// expelling are the errors for which the connection of a subscriber is closed on this side.
var expelling = []error{ErrFrame, ErrFrameSize, ErrSubscriptions, ErrStalled, ErrSilent}

func isOneOf(err error, targets []error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
