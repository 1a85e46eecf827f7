// Package packetio moves packets between the measuring loops and the kernel: UDP datagrams in batches,
// TCP streams in reads, each with the time at which the kernel received it.
//
// There are two implementations of one contract (Conn, Stream, Listener), held to it by one conformance
// test. The Linux one is raw non-blocking system calls without allocation. The portable one is made of
// the net package and golang.org/x/net, has no build tag, and runs wherever Go does, with user-space
// timestamps. Neither blocks its caller: what is not there now is reported later by the loop's poller.
//
// All methods are for the one loop that opened the socket, unless they say otherwise.
package packetio
