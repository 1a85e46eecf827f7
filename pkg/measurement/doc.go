// Package measurement holds what is measured and the arithmetic of it: samples, sessions, metrics,
// delay. It does no I/O and starts nothing; all of it may be used from any goroutine unless a type
// says otherwise.
//
// Words, smallest to largest:
//
//   - T1, T2, T3, T4: when the session-sender sent a probe, the session-reflector received it, sent
//     the reply, and the session-sender received that (RFC 5357, RFC 8762).
//   - one-way delay (OWD): T2 - T1. It needs synchronised clocks (RFC 7679) and is published as it
//     is, negative when they are not.
//   - residence time: T3 - T2, the time inside the reflector.
//   - round-trip time (RTT): (T4 - T1) - (T3 - T2); where T3 is unknown, T4 - T1 (RFC 2681).
//   - lost, late, duplicate, reordered: a probe with no answer after its timeout; an answer after
//     that; a second answer; an answer overtaken by a later probe's (RFC 7680, 5560, 4737).
//   - sample: the outcome of one probe (a singleton in RFC 2330).
//   - session: one flow of probes between a sender and a reflector (RFC 8762).
//   - timestamp source: which clock reading a delay rests on (RFC 7679 section 3.7).
//
// Times are int64 nanoseconds since the Unix epoch, delays int64 nanoseconds.
package measurement
