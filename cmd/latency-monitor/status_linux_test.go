package main_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// status is /proc/PID/status of a process or thread (proc_pid_status(5)).
type status map[string]string

// statusOf is false for a process or thread that has ended.
func statusOf(pid int) (status, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, false
	}
	s := status{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		s[name] = strings.TrimSpace(value)
	}
	return s, true
}

// want returns an error that names the first field that is not as it should be.
func (s status) want(fields map[string]string) error {
	for name, want := range fields {
		if got := s[name]; got != want {
			return fmt.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	return nil
}

// number is a field that is one.
func (s status) number(t *testing.T, name string) int {
	t.Helper()
	n, err := strconv.Atoi(s[name])
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// wantFilters wants so many seccomp filters more than this process has.
func (s status) wantFilters(more int) error {
	own, _ := statusOf(os.Getpid())
	filters, err := strconv.Atoi(own["Seccomp_filters"])
	if err != nil {
		return fmt.Errorf("our own Seccomp_filters: %w", err)
	}
	mode := "0"
	if filters+more > 0 {
		mode = "2" // SECCOMP_MODE_FILTER
	}
	return s.want(map[string]string{"Seccomp": mode, "Seccomp_filters": fmt.Sprint(filters + more)})
}
