// Package reflector is the session-reflector (RFC 8762): it answers probes over UDP and over TCP
// connections, and measures the one-way delay of each on the way to us. Over UDP it speaks STAMP and the
// text protocol (package textproto), over TCP the latter.
//
// A probe's way, in the order of the files: it arrives (udp.go, tcp.go); its source is one that may have
// answers (source.go); it is text, or it is STAMP and, where keys are there, authentic (authentic.go,
// stamp.go); it is assigned to its session (session.go, flow.go), answered (answers.go, send.go), and only
// then its delay and the losses before it are published (publish.go). Everything runs on one loop's
// thread; nothing on a packet's way allocates, locks or logs.
//
// A datagram that parses strictly as text is text, and any other of 14 octets or more is STAMP, but an
// address keeps to its kind: from one whose last text did not ask for STAMP no STAMP session begins, until
// it has been silent for a while, unless that has a key; and what could be text is STAMP if it is of a
// STAMP session by its SSID.
//
// What is no well-formed probe is dropped and counted, never answered: each datagram ends in exactly one
// of ProbesReceived and the counters of what is refused. A reply is not longer than its request, so that
// nobody can use us to multiply traffic with a forged address, with two exceptions: text without padding
// is answered with our name, however long, and TWAMP Light's shortest requests only where sources are
// restricted. Two reflectors do not take each other's replies for probes for long (circle.go).
//
// Limits. Without authentication, whoever can forge an address can send probes in a session's name; what
// losses that declares is bounded (match.Sequence), and a single one does not move a session. With it,
// copies of probes that a session has had are not measured as long as it is there, and a stateful
// reflector does not answer them: what was sent before the session's last probe, and is not among those
// that are missing, is a copy. So a prober whose clock is set back while 128 of its probes or more are lost
// is not answered until its session has been forgotten. Where a prober begins anew under the same address,
// port and SSID, which ours does not, a copy of a probe of before passes if its number is one that is
// missing or comes next. Which mode a probe is in is told from the packet (codecs.decode): a session is
// not configured here.
package reflector
