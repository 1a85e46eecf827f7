package privilege

import (
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

func limitLockedMemory(t *testing.T, bytes uint64) {
	t.Helper()
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: bytes, Max: bytes}); err != nil {
		t.Fatal(err)
	}
}

func kilobytes(t *testing.T, field string) int {
	t.Helper()
	value := ownStatus(t, field)
	n, err := strconv.Atoi(strings.TrimSuffix(value, " kB"))
	if err != nil {
		t.Fatalf("%s = %q, want kB", field, value)
	}
	return n
}

func TestUnlimitLockedMemoryNamesTheLimitThatStays(t *testing.T) {
	inCopy(t, asNobody, func(t *testing.T) {
		limitLockedMemory(t, 64<<10)
		if err := UnlimitLockedMemory(); err == nil || !strings.Contains(err.Error(), "the limit is 64 KiB") {
			t.Errorf("UnlimitLockedMemory() = %v, want an error that names 64 KiB", err)
		}
	})
}

func TestUnlimitLockedMemoryLeavesNoLimitIfItMay(t *testing.T) {
	inCopy(t, asRoot, func(t *testing.T) {
		err := UnlimitLockedMemory()
		if limit := lockedMemoryLimit(); (err == nil) != (limit == unlimitedMemory) {
			t.Errorf("UnlimitLockedMemory() = %v, and the limit is %s", err, limit)
		}
	})
}

func TestLockMemoryLocksNothingUnderALimit(t *testing.T) {
	inCopy(t, asNobody, func(t *testing.T) {
		limitLockedMemory(t, 64<<10)
		if err := LockMemory(); err == nil || !strings.Contains(err.Error(), "the limit is 64 KiB") {
			t.Errorf("LockMemory() = %v, want an error that names 64 KiB", err)
		}
		if locked := kilobytes(t, "VmLck"); locked != 0 {
			t.Errorf("VmLck = %d kB, want 0", locked)
		}
	})
}

func TestLockMemoryTakesNoMoreMemoryAndLetsTheHeapGrow(t *testing.T) {
	inCopy(t, asRoot, func(t *testing.T) {
		if !holds(cap.IPC_LOCK) {
			t.Skip("needs CAP_IPC_LOCK")
		}
		limitLockedMemory(t, 64<<10) // smaller than all that follows
		before := kilobytes(t, "VmRSS")
		if err := LockMemory(); err != nil {
			t.Fatal(err)
		}
		if grown := kilobytes(t, "VmRSS") - before; grown > 8<<10 {
			t.Errorf("locking took %d kB more, want next to nothing", grown)
		}
		if locked := kilobytes(t, "VmLck"); locked == 0 {
			t.Error("VmLck = 0, want all of the address space")
		}
		// The runtime can not give locked pages back by madvise(2) and must find another way.
		for range 2 {
			big := make([]byte, 80<<20)
			for i := 0; i < len(big); i += 4096 {
				big[i] = 1
			}
			debug.FreeOSMemory()
		}
	})
}
