package bench

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// startChild starts a program that the kernel ends when this process is killed, so that no cleanup runs
// (PR_SET_PDEATHSIG in prctl(2)).
func startChild(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	failed := make(chan error)
	startingThread() <- func() { failed <- cmd.Start() }
	return <-failed
}

// startingThread does what it is given on a thread that stays as long as the process: a program gets the signal when
// the thread that started it ends, as those do that were in a network namespace (netnstest.Host.Do).
var startingThread = sync.OnceValue(func() chan<- func() {
	starts := make(chan func())
	go func() {
		runtime.LockOSThread()
		for start := range starts {
			start()
		}
	}()
	return starts
})
