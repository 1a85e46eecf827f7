// Package textproto encodes and decodes the text protocol of the reference implementation: test
// packets as lines of text over UDP and TCP.
//
// A message has five fields, divided by four bars:
//
//	SEQ|name|timestamp|tags|padding
//	7|host-a|1795375380625056238|['isp:local']|000000
//
// SEQ counts from 0 to 100 and begins again. Name is whoever sent this message. Timestamp is the
// sender's wall clock in nanoseconds since the Unix epoch: T1 in a request, T2 in its reply. Tags
// is a list of strings as Python prints it, or empty. Padding fills the message up to the wanted
// size with '0'. The session-reflector repeats SEQ, tags and padding octet for octet and puts its
// own name and timestamp in place of the sender's.
//
// The header is everything up to and including the fourth bar. No field can hold a bar.
//
// A datagram holds one message, so its padding may be anything; see [Decode]. A TCP stream has no
// framing: messages are told apart only because padding there is zeros and SEQ has no leading
// ones; see [Scanner].
//
// Only the form in which senders write is read: numbers have no sign, space or leading zero, names
// no control character. So a packet of another protocol on the same port is not mistaken for text,
// and decoding followed by encoding gives the same octets.
//
// The package is made for measuring threads. Decode, ValidTags, Template.Message, Template.Stamp,
// AppendReply and AppendStampReply (into sufficient capacity) and Scanner's methods allocate nothing, lock nothing and
// make no system call. A Template or Scanner belongs to one thread.
package textproto
