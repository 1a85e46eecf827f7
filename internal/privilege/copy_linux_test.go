package privilege

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

const (
	copyOf     = "PRIVILEGE_TEST_COPY_OF" // the test that a copy of the test binary runs
	nobody     = 65534
	lockedHere = 4 // threads that a copy keeps busy while it changes
)

var (
	asRoot   = syscall.SysProcAttr{}
	asNobody = syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
)

// inCopy runs the rest of the test, f, in a copy of the test binary, since f changes the process for
// good. A copy that is skipped skips the test. Without root there is just one identity to run as.
func inCopy(t *testing.T, who syscall.SysProcAttr, f func(t *testing.T)) {
	t.Helper()
	if os.Getenv(copyOf) == t.Name() {
		f(t)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root (CAP_SETUID, CAP_SETPCAP) for something to drop")
	}
	out, err := copyCommand(t, who).CombinedOutput()
	if err != nil {
		t.Errorf("in a copy of the test: %v\n%s", err, out)
	} else if _, reason, skipped := strings.Cut(string(out), "--- SKIP: "); skipped {
		t.Skip(reason)
	}
}

// copyCommand runs this test alone. /proc/self/exe is open to users that have no way to the folder.
func copyCommand(t *testing.T, who syscall.SysProcAttr) *exec.Cmd {
	pattern := "^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"
	cmd := exec.Command("/proc/self/exe", "-test.v", "-test.run", pattern)
	cmd.Dir = "/"
	cmd.SysProcAttr = &who
	// The race detector would wait a second for races before it lets the copy end.
	cmd.Env = append(os.Environ(), copyOf+"="+t.Name(), "GORACE=atexit_sleep_ms=0")
	return cmd
}

// threads are goroutines that are each locked to a thread of its own, and wait there for work.
type threads []chan func()

func lockThreads(t *testing.T) threads {
	var all threads
	for range lockedHere {
		work := make(chan func())
		all = append(all, work)
		go func() {
			runtime.LockOSThread() // and never unlock
			for f := range work {
				f()
			}
		}()
		t.Cleanup(func() { close(work) })
	}
	all.each(func() {}) // all of them are there
	return all
}

// each runs f on every one of the threads, one after the other.
func (all threads) each(f func()) {
	for _, work := range all {
		done := make(chan struct{})
		work <- func() {
			defer close(done)
			f()
		}
		<-done
	}
}

// openStatus opens the status of every thread there is; a file stays readable when others can not be
// opened any more.
func openStatus(t *testing.T) []*os.File {
	t.Helper()
	paths, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		t.Fatal(err)
	}
	var files []*os.File
	for _, path := range paths {
		f, err := os.Open(path)
		if os.IsNotExist(err) {
			continue // ended meanwhile
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		files = append(files, f)
	}
	return files
}

// wantStatus checks fields of every thread's status (proc_pid_status(5)).
func wantStatus(t *testing.T, files []*os.File, wants map[string]string) {
	t.Helper()
	read := 0
	for _, f := range files {
		content := make([]byte, 16<<10)
		n, err := f.ReadAt(content, 0)
		if n == 0 {
			t.Logf("%s: %v", f.Name(), err) // the thread ended
			continue
		}
		read++
		for field, want := range wants {
			if got := statusField(content[:n], field); got != want {
				t.Errorf("%s: %s = %q, want %q", f.Name(), field, got, want)
			}
		}
	}
	if read <= lockedHere {
		t.Errorf("read the status of %d threads, want more than %d", read, lockedHere)
	}
}

func statusField(status []byte, field string) string {
	for line := range bytes.Lines(status) {
		if value, ok := bytes.CutPrefix(line, []byte(field+":")); ok {
			return strings.Join(strings.Fields(string(value)), " ")
		}
	}
	return fmt.Sprintf("no field %s", field)
}

func ownStatus(t *testing.T, field string) string {
	t.Helper()
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	return statusField(status, field)
}

func wantNoErrors(t *testing.T, call string, refused []error) {
	t.Helper()
	for _, err := range refused {
		t.Errorf("%s: %v", call, err)
	}
}
