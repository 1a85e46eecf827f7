// Package stamp encodes and decodes the packets of the Simple Two-way Active Measurement Protocol:
// RFC 8762, with the TLVs of RFC 8972, the control code of RFC 9503, and TWAMP Light (RFC 5357
// appendix I) as far as RFC 8762 section 4.6 asks for it.
//
// Words, smallest to largest:
//
//   - T1, T2, T3, T4: when the session-sender sent a packet, the session-reflector received it, sent
//     the reply, and the session-sender received that. T1 to T3 are on the wire, T4 is not.
//   - error estimate: how far a node's timestamps may be off, whether its clock is synchronised, and
//     in which format it writes them.
//   - TLV: an optional element behind the base packet: flags, type, length, value.
//   - session-sender packet, session-reflector packet: the request and its reply.
//   - session-sender, session-reflector: the two roles.
//   - session: the packets between one sender and one reflector, in one mode, told apart by addresses,
//     ports and the STAMP session identifier (SSID; RFC 8972 section 3).
//
// The base packet, by offset and length in octets; what is not listed is zero. All integers are
// big-endian (RFC 8762 sections 4.2 and 4.3, RFC 8972 section 3).
//
//	unauthenticated   authenticated   session-sender          session-reflector
//	   0  4              0  4         sequence number         sequence number
//	   4  8             16  8         T1                      T3
//	  12  2             24  2         error estimate of T1    error estimate of T2 and T3
//	  14  2             26  2         SSID                    SSID, copied
//	  16  8             32  8                                 T2
//	  24  4             48  4                                 sender's sequence number, copied
//	  28  8             64  8                                 T1, copied
//	  36  2             72  2                                 error estimate of T1, copied
//	  40  1             80  1                                 TTL or hop limit of the request
//	                    96 16         HMAC of 0 to 95         HMAC of 0 to 95
//	  44               112            TLVs                    TLVs, answered
//
// A session-sender prepares a packet once with [Codec.AppendSender] and the TLVs' Append functions,
// and for each probe rewrites what changes with [Codec.StampSender]. A session-reflector decodes with
// [Codec.DecodeSender], builds the reply in another buffer with [Codec.Reflect], and writes T3 last
// with [Codec.StampReflector]. The session-sender reads that with [Codec.DecodeReflector].
//
// What comes behind the base packet is TLVs: by its length alone a node tells whether there are any
// (RFC 8972 section 4). TWAMP Light pads its packets there. Padding of zeros is recognised and left
// alone, because no TLV begins with four zero octets: its sender sets the U flag, and type 0 is
// reserved. Other padding is taken for TLVs and may come back with flags set in some of its octets. A
// packet shorter than the base packet is TWAMP Light's; its octets from 14 on are padding, not an
// SSID.
//
// Decoding and encoding into a given buffer do not allocate, on errors neither, and decoded values
// point into the buffer. Errors are the package's sentinels, so that a caller can count them by
// reason. Octets from outside never make it panic.
//
// The package opens no socket and reads no clock; times are nanoseconds since the Unix epoch. It does
// not keep sessions: which packets belong together, which are answered and how often is the caller's.
package stamp
