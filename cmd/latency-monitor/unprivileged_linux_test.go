package main_test

import (
	"fmt"
	"os/exec"
	"syscall"
	"testing"
)

// Nothing is lacking for want of privilege but what was asked for and needs it, and the log says so.
func TestDaemonStartedWithoutPrivilegeMeasures(t *testing.T) {
	needsRoot(t, "become somebody else")
	const nobody = 65534
	bothWays(t, func(t *testing.T, m mode) {
		config, _, _ := onLoopback(t)
		config += fmt.Sprintf("interval = 5\n[engine]\nrealtime_priority = 10\n[[targets]]\nhost = %q\nlabel = \"itself\"\n", loopback)
		cmd := exec.Command(program(t), "-n", "a", "-c", configFor(t, nobody, m.configure(config)))
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		p := launchCommand(t, "a", cmd, nil)
		p.waitLogged(1, startedWith[m])
		p.waitPoints(20, delays...)
		out, c := p.stop()
		checkProber(out, c)
		for _, loop := range []string{"sender", "reflector"} {
			wantLogged(t, out, map[string]int{
				loop + " thread: SCHED_FIFO priority 10 (needs CAP_SYS_NICE): sched_setattr: operation not permitted: going on without": 1,
			})
		}
	})
}
