package bench

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

var programForAMD64 = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(builds, "latency-monitor-amd64")
	build := exec.Command("make", "-C", "..", "--no-print-directory", "build", "BIN="+binary)
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make build: %w\n%s", err, out)
	}
	return binary, nil
})

// How large is the program? The figure is of linux/amd64, whatever the machine.
func BenchmarkBinary(b *testing.B) {
	binary, err := programForAMD64()
	if err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(binary)
	if err != nil {
		b.Fatal(err)
	}
	isBare(b, binary)
	b.ReportMetric(float64(info.Size())/1e6, "MB")
	b.ReportMetric(float64(info.Size())/(1<<20), "MiB")
}

// isBare fails if the file needs a dynamic linker, or has symbols that only a debugger reads.
func isBare(b *testing.B, file string) {
	b.Helper()
	f, err := elf.Open(file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			b.Errorf("%s is not static", file)
		}
	}
	for _, section := range []string{".symtab", ".debug_info", ".zdebug_info"} {
		if f.Section(section) != nil {
			b.Errorf("%s is not stripped: it has %s", file, section)
		}
	}
}
