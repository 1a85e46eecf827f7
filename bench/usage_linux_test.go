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
		descriptors: entries(b, pid, "fd"), threads: entries(b, pid, "task"),
	}
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
	n, err := strconv.ParseInt(string(match[1]), 10, 64)
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
