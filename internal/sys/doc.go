// Package sys is the only package with unsafe and raw system calls: what measuring needs from the
// kernel and golang.org/x/sys/unix does not offer, or offers only with an allocation per call.
//
// Functions named after a system call follow its man page. Those marked "does not block" skip the Go
// scheduler's hand-off (RawSyscall) and must only be used on non-blocking descriptors.
package sys
