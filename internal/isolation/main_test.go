package isolation

import (
	"os"
	"testing"
)

// TestMain lets the test binary be the child, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "engine-process" {
		os.Exit(serveAs(os.Args[2]))
	}
	os.Exit(m.Run())
}
