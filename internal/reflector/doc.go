// Package reflector is the session-reflector (RFC 8762): it answers probes over UDP and over TCP
// connections, and measures the one-way delay of each on the way to us.
//
// A probe's way, in the order of the files: it arrives (udp.go, tcp.go), is assigned to its session
// (session.go), answered, and only then its delay and the gaps before it are published (publish.go).
// Everything runs on one loop's thread; nothing on a packet's way allocates, locks or logs.
//
// What is no well-formed probe is dropped and counted, never answered. A reply is not longer than its
// request, so that nobody can use us to multiply traffic with a forged address; and two reflectors do
// not take each other's replies for probes for long (circle.go).
package reflector
