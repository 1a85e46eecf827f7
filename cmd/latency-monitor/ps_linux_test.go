package main_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// ps tells the parent from the engine process, and top -H the loops.
func TestPsShowsWhichProcessIsWhich(t *testing.T) {
	if _, err := exec.LookPath("ps"); err != nil {
		t.Skip("needs ps (procps)")
	}
	config, _, _ := onLoopback(t)
	p := start(t, spec{mode: isolated, on: netnstest.ThisHost{}, name: "host-a", config: config})
	parent, engine := p.cmd.Process.Pid, p.engineProcess()
	want := map[int]string{
		parent: fmt.Sprintf("latency-monitor %s", strings.Join(p.cmd.Args, " ")),
		engine: fmt.Sprintf("latency-engine %s engine-process host-a", program(t)),
	}
	for pid, want := range want {
		out, err := exec.Command("ps", "-ww", "-o", "comm=,args=", "-p", fmt.Sprint(pid)).Output()
		if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != want {
			t.Errorf("ps of process %d: %q, %v, want %q", pid, got, err, want)
		}
	}
	loopThreads(t, engine)
	for _, tid := range threadsOf(t, parent) {
		if name := nameOf(tid); name == "sender" || name == "reflector" {
			t.Errorf("the parent has a thread %s", name)
		}
	}
	p.stop()
}

func TestEngineProcessCannotBeStartedByHand(t *testing.T) {
	got := runToEnd(t, "", "engine-process", "a")
	want := result{status: 1, stderr: "latency-monitor engine-process: this is not for you to start: latency-monitor does so itself\n"}
	if got != want {
		t.Errorf("engine-process a: %+v, want %+v", got, want)
	}
}
