package isolation

import (
	"io"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// residentFiles is how much of mapped files is in this process's memory, in kB.
func residentFiles(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^RssFile:\s+(\d+) kB$`).FindSubmatch(status)
	if line == nil {
		t.Fatalf("no RssFile in\n%s", status)
	}
	kB, err := strconv.Atoi(string(line[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kB
}

// readImage brings all of the program's file that is mapped into memory, by reading it as a debugger does.
func readImage(t *testing.T) {
	t.Helper()
	mappings, err := image()
	if err != nil || len(mappings) == 0 {
		t.Fatalf("the program is mapped at %v, %v, want some places", mappings, err)
	}
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = memory.Close() }()
	for _, m := range mappings {
		if _, err := io.Copy(io.Discard, io.NewSectionReader(memory, int64(m.from), int64(m.to-m.from))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDropImageFreesMemory(t *testing.T) {
	readImage(t)
	before := residentFiles(t)
	if err := DropImage(); err != nil {
		t.Fatal(err)
	}
	if after := residentFiles(t); after >= before {
		t.Errorf("%d kB of files in memory, want less than the %d kB before", after, before)
	}
}
