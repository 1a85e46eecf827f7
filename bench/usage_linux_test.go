package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// processes are the daemon and its engine process, which may be the child of any of its threads.
func (d *daemon) processes() []int {
	d.b.Helper()
	pid := d.cmd.Process.Pid
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		d.b.Fatal(err)
	}
	if len(threads) == 0 {
		d.b.Skip("needs a kernel that lists children, to find the engine process (CONFIG_PROC_CHILDREN)")
	}
	pids := []int{pid}
	for _, thread := range threads {
		children, err := os.ReadFile(thread)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			d.b.Fatal(err)
		}
		for _, child := range strings.Fields(string(children)) {
			n, err := strconv.Atoi(child)
			if err != nil {
				d.b.Fatal(err)
			}
			pids = append(pids, n)
		}
	}
	return pids
}

// tick is the unit of times in /proc/PID/stat (proc(5)): sysconf(_SC_CLK_TCK), which is 100 on Linux.
const tick = 10 * time.Millisecond

// cpu is how long the daemon's processes have run so far, to a hundredth of a second.
func (d *daemon) cpu() time.Duration {
	d.b.Helper()
	total := time.Duration(0)
	for _, pid := range d.processes() {
		total += processCPU(d.b, pid)
	}
	return total
}

// processCPU is how long one process has run so far.
func processCPU(b testing.TB, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after) // the third of proc_pid_stat(5) first
	total := time.Duration(0)
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		total += time.Duration(n) * tick
	}
	return total
}

// rss is the resident memory of the daemon's processes, in octets. What they share counts twice.
func (d *daemon) rss() int64 {
	d.b.Helper()
	total := int64(0)
	for _, pid := range d.processes() {
		statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			d.b.Fatal(err)
		}
		pages, err := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
		if err != nil {
			d.b.Fatal(err)
		}
		total += pages * int64(os.Getpagesize())
	}
	return total
}

// usage is what one process holds.
type usage struct {
	rss, pss             int64 // resident memory in octets; in pss, of a page that n processes share, a share of 1/n
	untouched            int64 // octets of shared memory that are not resident yet, since nothing was put there
	descriptors, threads int
}

// uses are what the daemon's two processes hold now: the one with the backends first.
func (d *daemon) uses() []usage {
	d.b.Helper()
	var all []usage
	for _, pid := range d.processes() {
		all = append(all, usageOf(d.b, pid))
	}
	return all
}

func usageOf(b testing.TB, pid int) usage {
	b.Helper()
	memory := readProc(b, pid, "smaps_rollup")
	return usage{
		rss: field(b, memory, "Rss") << 10, pss: field(b, memory, "Pss") << 10,
		untouched: untouched(b, pid), descriptors: entries(b, pid, "fd"), threads: entries(b, pid, "task"),
	}
}

// sharedMapping is the part of a mapping of memory from memfd_create(2) in smaps that has its size, and how much of it
// is resident.
var sharedMapping = regexp.MustCompile(`(?m)^[0-9a-f]+-[0-9a-f]+ .* /memfd:.*\nSize: +([0-9]+) kB\n(?:.+\n)*?Rss: +([0-9]+) kB$`)

func untouched(b testing.TB, pid int) (octets int64) {
	b.Helper()
	for _, m := range sharedMapping.FindAllSubmatch(readProc(b, pid, "smaps"), -1) {
		octets += number(b, m[1])<<10 - number(b, m[2])<<10
	}
	return octets
}

// readProc reads a file of a process. Who may not, as for a process of another user, can't measure.
func readProc(b testing.TB, pid int, name string) []byte {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if os.IsPermission(err) {
		b.Skip("needs to look at the daemon's processes: ", err)
	}
	if err != nil {
		b.Fatal(err)
	}
	return text
}

// entries is how many descriptors or threads a process has.
func entries(b testing.TB, pid int, folder string) int {
	b.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/%s", pid, folder))
	if os.IsPermission(err) {
		b.Skip("needs to look at the daemon's processes: ", err)
	}
	if err != nil {
		b.Fatal(err)
	}
	return len(all)
}

// field is a number of kB in smaps_rollup, see proc_pid_smaps(5).
func field(b testing.TB, text []byte, name string) int64 {
	b.Helper()
	match := regexp.MustCompile(`(?m)^` + name + `: +([0-9]+) kB$`).FindSubmatch(text)
	if match == nil {
		b.Fatalf("no %s in\n%s", name, text)
	}
	return number(b, match[1])
}

func number(b testing.TB, digits []byte) int64 {
	b.Helper()
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
