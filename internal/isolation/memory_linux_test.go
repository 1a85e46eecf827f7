package isolation

import (
	"reflect"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

func TestSizeOfSharedMemoryCannotBeChanged(t *testing.T) {
	m, fd, err := createMemory(1024)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	defer m.free()
	for _, size := range []int{0, len(m.mapped) - 1, len(m.mapped) + 1} {
		if err := unix.Ftruncate(fd, int64(size)); err != unix.EPERM {
			t.Errorf("ftruncate to %d = %v, want EPERM", size, err)
		}
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE); err != unix.EPERM {
		t.Errorf("another seal = %v, want EPERM", err)
	}
}

func TestMemoryOfAnotherSizeIsNotMapped(t *testing.T) {
	m, fd, err := createMemory(1024)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	defer m.free()
	if _, err := mapMemory(fd, 2048); err == nil {
		t.Error("mapMemory = no error, want that of a wrong size")
	}
}

// What one process writes the other one reads, ring by ring.
func TestBothMappingsAreTheSameMemory(t *testing.T) {
	ours, fd, err := createMemory(4)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	defer ours.free()
	theirs, err := mapMemory(fd, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.free()
	for i, out := range theirs.outputs {
		for range 5 {
			out.Ring.Push(&measurement.Sample{Seq: uint64(i + 7)})
		}
		out.Counters.Inc(0)
	}
	buf := make([]measurement.Sample, 8)
	for i, out := range ours.outputs {
		if n := out.Ring.Pop(buf); n != 4 || buf[3].Seq != uint64(i+7) || out.Ring.Dropped() != 1 || out.Counters.Get(0) != 1 {
			t.Errorf("ring %d: %d samples, the last of seq %d, %d dropped, counter %d, want 4, %d, 1, 1",
				i, n, buf[3].Seq, out.Ring.Dropped(), out.Counters.Get(0), i+7)
		}
	}
}

// A pointer would mean another thing in each process, and nothing to the garbage collector of either.
func TestSharedMemoryHoldsNoPointers(t *testing.T) {
	for _, shared := range []any{region{}, measurement.Sample{}} {
		if at := pointerIn(reflect.TypeOf(shared)); at != "" {
			t.Errorf("%T has a pointer: %s", shared, at)
		}
	}
}

func pointerIn(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct:
		for f := range t.Fields() {
			if at := pointerIn(f.Type); at != "" {
				return f.Name + " " + at
			}
		}
		return ""
	case reflect.Array:
		return pointerIn(t.Elem())
	case reflect.Bool, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return ""
	}
	return t.String() // also int and uintptr, whose sizes say that nobody thought of a layout
}
