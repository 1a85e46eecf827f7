package privilege

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkSystemCall asks what the filter costs: a call that is allowed with any arguments, whose
// answer the kernel remembers, and one for which it runs the filter.
//
// The filter is for one thread only, which ends with the sub-benchmark.
func BenchmarkSystemCall(b *testing.B) {
	pid := os.Getpid() // also the number of its first thread
	calls := []struct {
		name string
		call func() error
	}{
		{"unconditional", func() error { unix.Getpid(); return nil }},
		{"conditional", func() error { return unix.Tgkill(pid, pid, 0) }},
	}
	for _, c := range calls {
		b.Run(c.name+"/free", func(b *testing.B) { benchmarkCall(b, c.call) })
		b.Run(c.name+"/filtered", func(b *testing.B) {
			runtime.LockOSThread() // and never unlock
			if err := loadFilter(0); err != nil {
				b.Skip(err)
			}
			benchmarkCall(b, c.call)
		})
	}
}

func benchmarkCall(b *testing.B, call func() error) {
	b.ReportAllocs()
	for b.Loop() {
		if err := call(); err != nil {
			b.Fatal(err)
		}
	}
}
