package isolation

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"regexp"
	"strconv"

	"github.com/latency-monitor/latency-monitor/internal/sys"
)

// DropImage takes the program's code and constants out of this process's memory. What is used from now on comes back,
// by page faults from the page cache; what only the start-up used does not, and that is about half of it. Nothing
// else changes: what has ever been written to stays.
//
// It finds the mappings in /proc/self/smaps. Memory that is locked (mlockall(2)) can't be dropped.
func DropImage() error {
	mappings, err := image()
	for _, m := range mappings {
		err = errors.Join(err, os.NewSyscallError("madvise", sys.DropPages(m.from, m.to)))
	}
	return err
}

// mapping is from an address to another one.
type mapping struct{ from, to uintptr }

// image is where the program's file is mapped and all is as in the file. Elsewhere may be what a dynamic linker wrote
// before it made that read-only, in pages that are this process's own.
func image() ([]mapping, error) {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return nil, err
	}
	// Those that can't be written and have no page of this process's own, be it in memory or swapped out: from, to and
	// file (proc_pid_smaps(5)).
	unwritten := regexp.MustCompile(`(?m)^([0-9a-f]+)-([0-9a-f]+) .-.. \S+ \S+ \S+ +(\S.*)\n` +
		`(?:[A-Z].*\n)*?Anonymous: +0 kB\n(?:[A-Z].*\n)*?Swap: +0 kB$`)
	var found []mapping
	for _, m := range unwritten.FindAllSubmatch(smaps, -1) {
		from, errFrom := strconv.ParseUint(string(m[1]), 16, bits.UintSize)
		to, errTo := strconv.ParseUint(string(m[2]), 16, bits.UintSize)
		if err := errors.Join(errFrom, errTo); err != nil {
			return nil, fmt.Errorf("/proc/self/smaps: %w", err)
		}
		if string(m[3]) == program {
			found = append(found, mapping{uintptr(from), uintptr(to)})
		}
	}
	return found, nil
}
