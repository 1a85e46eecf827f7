// Package zmtp is a ZeroMQ PUB socket: the publishing side of ZMTP 3.1 over TCP
// (https://rfc.zeromq.org/spec/37/, "RFC 37"), for subscribers that speak ZMTP 3.0 or later, such as
// every SUB and XSUB socket of libzmq 4. It needs neither cgo nor libzmq.
//
// Words, smallest to largest:
//
//   - frame: flags (1 octet), length (1 or 8), body (RFC 37, Framing).
//   - command: a frame for the peer's implementation: a name and data (RFC 37, Commands).
//   - message: a frame for the peer's application. RFC 37 knows messages of several frames; those that
//     this package sends have one.
//   - greeting: the 64 octets that each side sends first (RFC 37, Formal Grammar).
//   - handshake: greetings, then a READY command from each side (RFC 37, The NULL Security Mechanism).
//   - peer: whoever has connected.
//   - subscriber: a peer that has completed the handshake.
//   - subscription: the octets with which a message must begin for a subscriber to get it; none of
//     them means every message (RFC 37, The Publish-Subscribe Pattern).
//   - high-water mark (HWM): how many messages may wait for one subscriber.
//
// A frame, by offset and length in octets; integers are big-endian:
//
//	short   long
//	0  1    0  1   flags: 1 more frames follow, 2 the frame is long, 4 it is a command; the rest is 0
//	1  1    1  8   length of the body
//	2       9      body; of a command: length of the name (1), name, data
//
// [Listen] opens a [PUB], [PUB.Send] gives a message to all who subscribed to it, [PUB.Close] lets them
// have what is queued. Filtering is done here, not by the subscribers: they get what they asked for.
//
// Publishing never waits for a peer. What a subscriber does not take in time is dropped beyond the
// high-water mark, for this subscriber alone, and counted; one that takes nothing at all for a while
// is disconnected. Every message that a subscriber should have got is counted once, as sent, dropped
// or abandoned; see [Stats]. As with any PUB socket, a subscriber misses what was published before
// its subscription arrived or while it was not connected.
//
// Peers are not trusted. There is neither authentication nor encryption (the NULL mechanism is all that
// is offered), so whoever reaches the port may subscribe; but a peer can't take more than a fixed
// amount of memory, keep a place without completing the handshake in time, or delay anybody else.
// What is read from peers is subscriptions and heartbeats; frames with more than [MaxFrame] octets are
// refused by their length alone. What ends a connection is told to [Options.OnClose] as one of the
// package's errors.
package zmtp
