package bench

import (
	"os"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/isolation"
)

// TestMain lets the test binary be the engine process, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == isolation.Verb {
		os.Exit(isolation.Serve())
	}
	os.Exit(m.Run())
}
