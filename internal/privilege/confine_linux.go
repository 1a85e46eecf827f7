package privilege

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/landlock-lsm/go-landlock/landlock"
	landlocksys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// leaveFileSystem puts all threads into a Landlock domain without a rule. Network rights are not
// handled, so they are as before.
func leaveFileSystem() error {
	if err := enterDomain(); err != nil {
		return fmt.Errorf("no access to files: landlock: %w", err)
	}
	return nil
}

func enterDomain() error {
	// BestEffort is silent about a kernel without any Landlock.
	if _, err := landlocksys.LandlockGetABIVersion(); err != nil {
		return fmt.Errorf("needs Linux 5.13 with landlock among its lsm=: %w",
			os.NewSyscallError("landlock_create_ruleset", err))
	}
	all := landlock.Config{HandledAccessFS: landlock.V11.HandledAccessFS, Scoped: landlock.V11.Scoped}
	return all.BestEffort().Restrict()
}

func filterSystemCalls() error {
	if err := loadFilter(seccomp.FilterFlagTSync); err != nil {
		return fmt.Errorf("no other system calls: seccomp: %w", err)
	}
	return nil
}

// loadFilter loads the filter, with seccomp.FilterFlagTSync into all threads, which are then
// given this thread's no_new_privs too.
func loadFilter(flags seccomp.FilterFlag) error {
	policy, err := enginePolicy(runtime.GOARCH, os.Getpid())
	if err != nil {
		return err
	}
	// The loader sets no_new_privs of a thread, and loads from that same thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: true,
		// Before Linux 5.16 a filter turned speculation off (SSBD, STIBP) for its threads, at a cost for
		// each packet. It is meant for those that run foreign code, which we do not.
		Flag:   flags | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		Policy: policy,
	})
	if err != nil {
		return err
	}
	// The loader takes it for success when the kernel names a thread that can not be given the filter,
	// since it has another of its own. Then no thread has it, and a call it refuses works.
	if err := unix.Uname(new(unix.Utsname)); err == nil {
		return errors.New("a thread of the process has a filter of its own")
	}
	return nil
}

// enginePolicy allows what the engine needs and lets all else return EPERM. The pid is of the process
// that the filter is for.
func enginePolicy(goarch string, pid int) (seccomp.Policy, error) {
	info, err := arch.GetInfo(goarch)
	if err != nil {
		return seccomp.Policy{}, err
	}
	// Some are of other architectures.
	unknown := func(call seccomp.NameWithConditions) bool {
		_, known := info.SyscallNames[call.Name]
		return !known
	}
	names := slices.DeleteFunc(slices.Clone(allowed), func(name string) bool {
		return unknown(seccomp.NameWithConditions{Name: name})
	})
	return seccomp.Policy{
		DefaultAction: seccomp.ActionErrno, // EPERM
		Syscalls: []seccomp.SyscallGroup{
			{Action: seccomp.ActionAllow, Names: names},
			{Action: seccomp.ActionAllow, NamesWithCondtions: slices.DeleteFunc(conditional(pid), unknown)},
			{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: []string{"clone3"}},
		},
	}, nil
}
