package privilege

import "errors"

// ErrUnprivileged says that the process may not become somebody else. It is who it was, and not root.
var ErrUnprivileged = errors.New("needs root, or CAP_SETUID and CAP_SETGID")

// LookupIdentity resolves the configuration's keys user and group, each a name, a decimal number, or
// empty. Both empty: the zero Identity. User alone: that user with its primary group and the
// supplementary groups it is a member of. Group given: that group and no other, with the user if
// there is one, else with the present one.
//
// A number need not be in the system's database, but then a user needs a group beside it. A binary
// without cgo reads /etc/passwd and /etc/group only, no directory service. The error names the key,
// its value and what is allowed.
func LookupIdentity(user, group string) (Identity, error) { return lookupIdentity(user, group) }

// Become switches the process to the identity: supplementary groups, group and user; real, effective
// and saved. Then it makes sure that there is no way back to root. If the process already is who it
// should be, nothing is done.
//
// A process that changes its user to other than root loses its capabilities, and with them the right
// to empty the bounding set, so this is done before.
//
// The error is ErrUnprivileged if the process is not root and has no right to change. After another one the process may be anything between the two identities and must end: who asks for a
// user does not want root instead.
func (id Identity) Become() error { return id.become() }

// DropCapabilities takes from the process and all its future children every capability, and every
// way to gain one: no_new_privs is set, then the bounding, permitted, effective, inheritable and
// ambient sets are emptied (capabilities(7)).
//
// The bounding set can be emptied only with CAP_SETPCAP. Without, it stays as it is and this is not
// an error: it only limits what execve(2) can add, and with no_new_privs that is nothing.
func DropCapabilities() []error { return dropCapabilities() }

// UnlimitLockedMemory lets this process and its future children lock as much memory as they want
// (RLIMIT_MEMLOCK), for LockMemory in the engine. It needs CAP_SYS_RESOURCE, unless there is no limit
// already; the error names the limit that stays.
func UnlimitLockedMemory() error { return unlimitLockedMemory() }

// LockMemory keeps all pages of the process, present and future, in memory once they have been
// touched, so that no packet waits for the disk. It locks nothing and returns an error that names the
// limit, unless there is none or the process has CAP_IPC_LOCK, which it then must keep.
func LockMemory() error { return lockMemory() }

// LeaveFileSystem is the first of two steps that back each other up, and after which the process can
// not open, make or change files; not run programs or start other processes; not signal, trace or read
// other processes; not make sockets but for UDP and TCP over IPv4 and IPv6. What it has open stays
// usable. What is refused returns EACCES here, and never ends the process.
//
// This one is a Landlock domain without any file system access, for all rights this kernel knows
// (Linux 5.13), and closed for signals and abstract Unix sockets out of it (6.12); see landlock(7). It
// sets no_new_privs. It is for the engine only, before FilterSystemCalls, which does not let it.
func LeaveFileSystem() error { return leaveFileSystem() }

// FilterSystemCalls is the second step: a seccomp filter with the system calls that measuring needs;
// all others return EPERM (seccomp(2), Linux 4.17; amd64, arm64 and arm, and 386, where it does not see
// which sockets are made). It sets no_new_privs.
func FilterSystemCalls() error { return filterSystemCalls() }
