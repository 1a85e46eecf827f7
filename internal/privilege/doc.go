// Package privilege gives up what a process may do, step by step, for good and on all its threads.
//
// The daemon is two processes on Linux. The parent first does all that needs rights: it binds its
// sockets, raises limits and priorities. Then it drops them, and only then starts the engine, which
// inherits that it has none and confines itself:
//
//	parent: LookupIdentity, UnlimitLockedMemory, …, Identity.Become, DropCapabilities, start the engine
//	engine: LockMemory, LeaveFileSystem, sockets and threads, FilterSystemCalls, start the loops
//
// All of it works without rights too: where there is nothing to drop, nothing is an error. What the
// system refuses comes back, one error each; the process works without, but for Become.
//
// Each call changes all threads of the process, so nothing here may be called while another call is
// under way, nor when a thread has other rights than the rest: the Go runtime ends a process whose
// threads get different answers (syscall.AllThreadsSyscall). Blocked system calls may return EINTR. With
// cgo the threads that answered spin until all have: where some have a real-time priority and others
// have not, that may take seconds. So the engine's threads get theirs behind LeaveFileSystem.
package privilege
