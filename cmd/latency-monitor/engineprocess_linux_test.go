package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// engineProcess is the process with the loops of an isolated daemon, as the kernel knows it.
func (p *process) engineProcess() int {
	p.t.Helper()
	pid, ok := p.child()
	if !ok {
		p.t.Fatalf("%s: has no engine process", p.name)
	}
	return pid
}

// child is a running child of the daemon, which has no others than engine processes.
func (p *process) child() (pid int, ok bool) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		// The name is in parentheses and may contain some; state and parent follow (proc_pid_stat(5)).
		behind := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if behind[0] != "Z" && behind[1] == fmt.Sprint(p.cmd.Process.Pid) {
			pid, err = strconv.Atoi(filepath.Base(filepath.Dir(file)))
			return pid, err == nil
		}
	}
	return 0, false
}

// measuring matches the line that tells that an engine process has followed one that died.
var measuring = regexp.MustCompile(`engine process ([0-9]+) measures, `)

// waitNextEngine waits until the n-th engine process but the first measures, and returns it.
func (p *process) waitNextEngine(n int) (pid int) {
	p.t.Helper()
	p.wait(fmt.Sprintf("engine process %d to follow", n), func(o *output) bool {
		followed := 0
		for _, line := range o.log {
			if found := measuring.FindStringSubmatch(line); found != nil {
				followed++
				pid, _ = strconv.Atoi(found[1])
			}
		}
		return followed >= n
	})
	return pid
}

// kill kills a process as kill -9 does.
func kill(t *testing.T, pid int) {
	t.Helper()
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatalf("kill %d: %v", pid, err)
	}
}

// threadsOf are the threads of a process.
func threadsOf(t *testing.T, pid int) []int {
	t.Helper()
	var threads []int
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			t.Fatal(err)
		}
		threads = append(threads, tid)
	}
	return threads
}

// nameOf is the name of a process or thread, "" if that has ended.
func nameOf(pid int) string {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(name))
}

// loopThreads are the threads with the loops, by name.
func loopThreads(t *testing.T, pid int) map[string]int {
	t.Helper()
	loops := map[string]int{}
	for _, tid := range threadsOf(t, pid) {
		if name := nameOf(tid); name == "sender" || name == "reflector" {
			loops[name] = tid
		}
	}
	if len(loops) != 2 {
		t.Errorf("process %d has the loop threads %v, want a sender and a reflector", pid, loops)
	}
	return loops
}

// needsRoot skips a test that can't do without.
func needsRoot(t *testing.T, what string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to " + what)
	}
}
