package serverstest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a child that does not outlive this process, however this one ends.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when the child is gone and waited for
}

// startProcess starts the command in a process group of its own, so that Ctrl-C in a terminal reaches
// the tests alone, which take it with them.
func startProcess(cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	return p, <-started
}

// run starts the child and waits for its end. The kernel sends Pdeathsig when the thread ends that
// started the child (prctl(2), PR_SET_PDEATHSIG), and threads of Go do end: when a goroutine locked to
// one returns. So this goroutine keeps its thread for as long as the child lives.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.exited)
	err := p.cmd.Start()
	started <- err
	if err == nil {
		_ = p.cmd.Wait() // how it ended is in cmd.ProcessState
	}
}

func (p *process) signal(sig syscall.Signal) error { return p.cmd.Process.Signal(sig) }

// pause stops all threads of the child. They go on for a moment after the signal, each on its CPU; the
// child counts as stopped when the last one is (waitid(2), WSTOPPED).
func (p *process) pause() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for {
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("waitid", err)
		}
	}
}

func (p *process) resume() error { return p.signal(syscall.SIGCONT) }

// end sends a signal that ends the child, and returns when it is gone. One that does not end within
// the limit is killed, which is an error.
func (p *process) end(sig syscall.Signal, limit time.Duration) error {
	// A paused child takes the signal when it goes on.
	err := errors.Join(p.signalIfRunning(sig), p.signalIfRunning(syscall.SIGCONT))
	select {
	case <-p.exited:
		return err
	case <-time.After(limit):
	}
	err = errors.Join(err, p.signalIfRunning(syscall.SIGKILL), fmt.Errorf("still there %v after %v", limit, sig))
	<-p.exited
	return err
}

func (p *process) signalIfRunning(sig syscall.Signal) error {
	if err := p.signal(sig); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}
