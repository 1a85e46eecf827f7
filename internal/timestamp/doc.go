// Package timestamp reads the control messages (cmsg(3)) that the kernel attaches to received packets
// and to entries of a socket's error queue: timestamps above all, and what else comes with them.
//
// It trusts no length in them and does not allocate. Timestamps are of CLOCK_REALTIME.
package timestamp
