package privilege

import (
	"github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// allowed are the system calls that the engine may make with any arguments. The kernel knows without
// running the filter that these are allowed (since 5.11); before, the first are found first. Names
// that end in 64 are those of 32-bit machines.
var allowed = []string{
	// The way of a packet.
	"epoll_pwait", "epoll_wait", "epoll_pwait2", "recvmmsg", "sendmmsg", "timerfd_settime",
	"read", "write", "recvmsg", "sendmsg", "recvfrom", "sendto", "futex", "clock_gettime",
	"recvmmsg_time64", "timerfd_settime64", "futex_time64", "clock_gettime64",

	// Sessions that come and go; socket itself is below.
	"bind", "listen", "accept", "accept4", "connect", "shutdown", "close",
	"getsockname", "getpeername", "getsockopt", "setsockopt", "dup", "dup3",

	// Loops that come and go, and what a thread of theirs asks for.
	"epoll_create1", "epoll_ctl", "eventfd2", "timerfd_create", "timerfd_gettime", "timerfd_gettime64",
	"sched_setaffinity", "sched_setattr", "sched_getattr", "prctl",

	// Clocks and their error; without CAP_SYS_TIME they can only be read. Sleep. A sleep that a stop
	// signal interrupted goes on by restart_syscall(2).
	"clock_getres", "gettimeofday", "adjtimex", "clock_adjtime", "clock_nanosleep", "nanosleep", "restart_syscall",
	"clock_getres_time64", "clock_adjtime64", "clock_nanosleep_time64",

	// Figures about the process itself.
	"getrusage", "getpid", "getppid", "gettid", "getcpu",

	// The Go runtime: memory, also locked.
	"mmap", "mmap2", "munmap", "mprotect", "madvise", "mincore", "getrandom",
	"mlock", "mlock2", "munlock", "mlockall", "munlockall",

	// The Go runtime: threads, their signals, preemption, profiles, the end. With pread64 it follows
	// the CPU limit of its control group, whose files it has open. A thread starts with clone, below.
	"exit", "exit_group", "sched_yield", "sched_getaffinity", "pread64",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "sigaltstack",
	"setitimer", "timer_create", "timer_settime", "timer_settime64", "timer_delete",

	// The C library, in a binary with cgo: its heap, its threads.
	"brk", "mremap", "set_robust_list", "rseq",

	// All socket calls of 386, with arguments that a filter can not see.
	"socketcall",
}

// conditional are the system calls that are allowed with some arguments only. The filter is run for
// each of them, so none may be on the way of a packet.
func conditional(pid int) []seccomp.NameWithConditions {
	calls := []seccomp.NameWithConditions{
		// A new thread, not a new process. clone3(2) has its flags where a filter can not see them; told
		// that there is none, C libraries use clone.
		{Name: "clone", Conditions: seccomp.ArgumentConditions{
			{Argument: 0, Operation: seccomp.BitsSet, Value: unix.CLONE_THREAD},
		}},
		// Signals to this process only: the runtime's preemption, and its own end.
		{Name: "tgkill", Conditions: seccomp.ArgumentConditions{
			{Argument: 0, Operation: seccomp.Equal, Value: uint64(pid)},
		}},
		{Name: "kill", Conditions: seccomp.ArgumentConditions{
			{Argument: 0, Operation: seccomp.Equal, Value: uint64(pid)},
		}},
	}
	// Descriptors may be copied and their flags be changed. With F_SETOWN and F_SETSIG a socket would
	// signal any process (fcntl(2)).
	for _, name := range []string{"fcntl", "fcntl64"} {
		for _, command := range []uint64{unix.F_GETFL, unix.F_SETFL, unix.F_GETFD, unix.F_SETFD, unix.F_DUPFD_CLOEXEC} {
			calls = append(calls, seccomp.NameWithConditions{Name: name, Conditions: seccomp.ArgumentConditions{
				{Argument: 1, Operation: seccomp.Equal, Value: command},
			}})
		}
	}
	// The type of a socket is in the low four bits, with flags above (socket(2)). One that has the bit
	// of SOCK_STREAM or of SOCK_DGRAM, and no other of the four, is none of the raw ones.
	const typeBits = 0xf
	for _, family := range []uint64{unix.AF_INET, unix.AF_INET6} {
		for _, kind := range []uint64{unix.SOCK_STREAM, unix.SOCK_DGRAM} {
			calls = append(calls, seccomp.NameWithConditions{Name: "socket", Conditions: seccomp.ArgumentConditions{
				{Argument: 0, Operation: seccomp.Equal, Value: family},
				{Argument: 1, Operation: seccomp.BitsSet, Value: kind},
				{Argument: 1, Operation: seccomp.BitsNotSet, Value: typeBits &^ kind},
				{Argument: 2, Operation: seccomp.Equal, Value: 0}, // TCP or UDP, not MPTCP, UDP-Lite or ICMP
			}})
		}
	}
	return calls
}
