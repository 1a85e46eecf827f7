// Package sender is the session-sender (RFC 8762): it sends probes in their slots over UDP, over
// established TCP connections and as fresh TCP connections, matches the replies, and puts what came of
// each probe on the ring.
//
// A probe's way, in the order of the files: a slot falls due (sender.go), the probe leaves (udp.go,
// tcp.go, connect.go), its reply is matched or its timeout passes (outcome.go), and the sample is
// published (publish.go). Everything runs on one loop's thread; nothing on a packet's way allocates,
// locks or logs.
package sender
