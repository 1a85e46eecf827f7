package bench

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"testing"
)

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

// gauge reads a number without labels that a daemon on this host tells Prometheus.
func gauge(b testing.TB, listen, name string) float64 {
	b.Helper()
	response, err := web.Get("http://" + listen + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.Fatal(err)
	}
	match := regexp.MustCompile(`(?m)^` + name + ` (.+)$`).FindSubmatch(text)
	if match == nil {
		b.Fatalf("no %s in\n%s", name, text)
	}
	n, err := strconv.ParseFloat(string(match[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
