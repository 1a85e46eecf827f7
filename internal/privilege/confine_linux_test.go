package privilege

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	landlocksys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

func TestConfinedProcessHasNoWayOut(t *testing.T) {
	t.Run("root", func(t *testing.T) { inCopy(t, asRoot, testNoWayOut) })
	t.Run("nobody", func(t *testing.T) { inCopy(t, asNobody, testNoWayOut) })
}

// confine takes both steps.
func confine(t *testing.T) {
	t.Helper()
	if err := errors.Join(LeaveFileSystem(), FilterSystemCalls()); err != nil {
		t.Fatal(err)
	}
}

// errno drops a result that does not matter here.
func errno[T any](_ T, err error) error { return err }

func testNoWayOut(t *testing.T) {
	// All that is refused works, or fails for another reason, before.
	refused := map[string]func() error{
		"open a folder":     func() error { return errno(unix.Open("/", unix.O_RDONLY, 0)) },
		"open a file":       func() error { return errno(os.Open("/proc/self/status")) },
		"open relative":     func() error { return errno(unix.Openat(unix.AT_FDCWD, ".", unix.O_PATH, 0)) },
		"create a file":     func() error { return errno(os.Create("/dev/shm/privilege-test")) },
		"memory as a file":  func() error { return errno(unix.MemfdCreate("x", 0)) },
		"make a folder":     func() error { return os.Mkdir("/tmp/privilege-test", 0o700) },
		"look at a file":    func() error { return errno(os.Stat("/")) },
		"unix socket":       func() error { return errno(unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)) },
		"netlink socket":    func() error { return errno(unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, 0)) },
		"packet socket":     func() error { return errno(unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0)) },
		"raw socket":        func() error { return errno(unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)) },
		"raw socket, flags": func() error { return errno(unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 58)) },
		"seqpacket socket":  func() error { return errno(unix.Socket(unix.AF_INET, unix.SOCK_SEQPACKET, 132)) },
		"mptcp socket":      func() error { return errno(unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)) },
		"udp-lite socket":   func() error { return errno(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE)) },
		"icmp socket":       func() error { return errno(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP)) },
		"signal by socket":  func() error { return errno(unix.FcntlInt(0, unix.F_SETOWN, os.Getppid())) },
		"pair of sockets":   func() error { return errno(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)) },
		"run a program":     func() error { return exec.Command("/bin/true").Run() },
		"become a program":  func() error { return unix.Exec("/bin/true", []string{"true"}, nil) },
		"signal the parent": func() error { return unix.Kill(os.Getppid(), 0) },
		"signal all":        func() error { return unix.Kill(0, 0) },
		"signal its thread": func() error { return unix.Tgkill(os.Getppid(), os.Getppid(), 0) },
		"trace the parent":  func() error { return unix.PtraceAttach(os.Getppid()) },
		"read its memory":   func() error { return errno(unix.ProcessVMReadv(os.Getppid(), nil, nil, 0)) },
		"reach it by pidfd": func() error { return errno(unix.PidfdOpen(os.Getppid(), 0)) },
		"mount":             func() error { return unix.Mount("none", "/", "tmpfs", 0, "") },
		"change the root":   func() error { return unix.Chroot("/") },
		"change the user":   func() error { return syscall.Setuid(nobody) },
		"change the groups": func() error { return syscall.Setgroups(nil) },
		"keys":              func() error { return errno(unix.KeyctlGetKeyringID(-1, false)) },
		"set the clock":     func() error { return unix.ClockSettime(unix.CLOCK_BOOTTIME, &unix.Timespec{}) },
		"new namespaces":    func() error { return unix.Unshare(unix.CLONE_NEWUSER) },
		"raise limits":      func() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) },
	}
	all := lockThreads(t)
	files := openStatus(t)
	filters := ownStatus(t, "Seccomp_filters")
	confine(t)
	for name, try := range refused {
		if err := try(); !errors.Is(err, unix.EPERM) {
			t.Errorf("%s: %v, want EPERM", name, err)
		}
	}
	all.each(func() {
		if err := refused["open a folder"](); err != unix.EPERM {
			t.Errorf("open a folder on another thread: %v, want EPERM", err)
		}
	})
	wantStatus(t, files, map[string]string{"Seccomp": "2", "Seccomp_filters": oneMore(t, filters), "NoNewPrivs": "1"})
}

func oneMore(t *testing.T, number string) string {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(number, &n); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(n + 1)
}

// Landlock alone, since the filter hides what it does.
func TestProcessLeavesTheFileSystem(t *testing.T) {
	inCopy(t, asRoot, func(t *testing.T) {
		all := lockThreads(t)
		files := openStatus(t)
		if err := leaveFileSystem(); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, files, map[string]string{"NoNewPrivs": "1"})
		all.each(func() {
			for _, path := range []string{"/", "/proc/self/status", "/etc/passwd", "/dev/null"} {
				if _, err := os.Open(path); !errors.Is(err, unix.EACCES) {
					t.Errorf("open %s: %v, want EACCES", path, err)
				}
			}
			if err := os.WriteFile("/dev/shm/privilege-test", nil, 0o600); !errors.Is(err, unix.EACCES) {
				t.Errorf("create a file: %v, want EACCES", err)
			}
			if err := unix.Exec("/bin/true", []string{"true"}, nil); err != unix.EACCES {
				t.Errorf("exec: %v, want EACCES", err)
			}
		})
		wantUDP(t, listenUDP(t))
		wantTCP(t, listenTCP(t))
	})
}

func TestLandlockDomainIsClosed(t *testing.T) {
	inCopy(t, asRoot, func(t *testing.T) {
		const scopes = 6
		if abi, err := landlocksys.LandlockGetABIVersion(); abi < scopes {
			t.Skipf("needs Landlock ABI %d (Linux 6.12), has %d, %v", scopes, abi, err)
		}
		outside, err := net.Listen("unix", "@privilege-test-"+fmt.Sprint(os.Getpid()))
		if err != nil {
			t.Fatal(err)
		}
		defer outside.Close()
		if err := leaveFileSystem(); err != nil {
			t.Fatal(err)
		}
		if _, err := net.Dial("unix", outside.Addr().String()); !errors.Is(err, unix.EPERM) {
			t.Errorf("connect to an abstract socket from before: %v, want EPERM", err)
		}
		if err := unix.Kill(os.Getppid(), 0); err != unix.EPERM {
			t.Errorf("signal the parent: %v, want EPERM", err)
		}
		if err := unix.Kill(os.Getpid(), 0); err != nil {
			t.Errorf("signal itself: %v, want nil", err)
		}
	})
}

func TestFilterReportsAThreadWithAFilterOfItsOwn(t *testing.T) {
	inCopy(t, asRoot, func(t *testing.T) {
		var alone error
		lockThreads(t)[:1].each(func() { alone = loadFilter(0) })
		if alone != nil {
			t.Fatal(alone)
		}
		err := loadFilter(seccomp.FilterFlagTSync)
		if err == nil || !strings.Contains(err.Error(), "a filter of its own") {
			t.Errorf("loadFilter(TSync) = %v, want an error about the other thread's filter", err)
		}
	})
}

func TestFilterOfAnUnknownArchitectureIsAnError(t *testing.T) {
	for _, goarch := range []string{"riscv64", "mipsle"} {
		if _, err := enginePolicy(goarch, 1); err == nil || !strings.Contains(err.Error(), goarch) {
			t.Errorf("enginePolicy(%q) = %v, want an error that names it", goarch, err)
		}
	}
}

func TestFilterKnowsEveryNameOnSomeArchitecture(t *testing.T) {
	architectures := []*arch.Info{arch.X86_64, arch.AARCH64, arch.ARM, arch.I386}
	for _, name := range allowed {
		if !slices.ContainsFunc(architectures, func(a *arch.Info) bool { _, ok := a.SyscallNames[name]; return ok }) {
			t.Errorf("no architecture has a system call %q", name)
		}
	}
	for _, info := range architectures {
		for _, name := range []string{"recvmmsg", "sendmmsg", "epoll_ctl", "timerfd_settime", "futex", "clone", "tgkill"} {
			if _, ok := info.SyscallNames[name]; !ok {
				t.Errorf("%s has no system call %q", info.Name, name)
			}
		}
	}
}

func TestFilterIsNotRunOnTheWayOfAPacket(t *testing.T) {
	for _, call := range conditional(1) {
		if slices.Contains(allowed, call.Name) {
			t.Errorf("%s is allowed both with conditions and without", call.Name)
		}
	}
	policy, err := enginePolicy(runtime.GOARCH, 1)
	if err != nil {
		t.Skip(err)
	}
	if first := policy.Syscalls[0]; len(first.NamesWithCondtions) != 0 || first.Action != seccomp.ActionAllow {
		t.Errorf("the first group of the policy is %+v, want allowed without conditions", first)
	}
}
