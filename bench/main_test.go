package bench

import (
	"os"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/isolation"
)

// builds is where programs that benchmarks build lie.
var builds string

// TestMain lets the test binary be the engine process, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == isolation.Verb {
		os.Exit(isolation.Serve())
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if builds, err = os.MkdirTemp("", "latency-monitor-bench"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(builds)
	return m.Run()
}
