package isolation

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/engine"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/sys"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// region is what lies at the start of the shared memory, without pointers. The samples of the rings,
// one after the other, follow at the next page.
type region struct {
	loops   [engine.Loops]loopRegion
	process selfstats.Block // what the child counts of itself
}

type loopRegion struct {
	cursors  ring.Cursors
	counters selfstats.Block
}

// regionSize is the size of region in whole pages. Nothing writes to it.
var regionSize = (sys.SizeOf[region]() + page - 1) / page * page

const page = 4096

// memory is one mapping of the shared memory. Its memory order is that of its parts: atomics, see
// ring.SPSC; counters stand alone, each its own truth.
type memory struct {
	mapped  []byte
	outputs []engine.Output
	process *selfstats.Block
}

func memorySize(ringSize int) int {
	return regionSize + engine.Loops*ringSize*measurement.SampleSize
}

// createMemory makes shared memory for rings of ringSize samples, all 0, and returns a descriptor of it
// for the child. The size is sealed: a child that could shrink it could kill us with SIGBUS.
func createMemory(ringSize int) (m *memory, fd int, err error) {
	fd, err = memfd()
	if err != nil {
		return nil, -1, err
	}
	m, err = fillMemory(fd, ringSize)
	if err != nil {
		unix.Close(fd)
		return nil, -1, err
	}
	return m, fd, nil
}

// memfd opens a file without a name. From Linux 6.3 on one has to say whether it may be executed, and
// before that one can't (memfd_create(2)).
func memfd() (int, error) {
	const name, flags = "latency-monitor", unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate(name, flags)
	}
	return fd, os.NewSyscallError("memfd_create", err)
}

func fillMemory(fd, ringSize int) (*memory, error) {
	if err := unix.Ftruncate(fd, int64(memorySize(ringSize))); err != nil {
		return nil, os.NewSyscallError("ftruncate", err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		return nil, os.NewSyscallError("fcntl F_ADD_SEALS", err)
	}
	return mapMemory(fd, ringSize)
}

// mapMemory maps memory that createMemory made. ringSize must be the same.
func mapMemory(fd, ringSize int) (*memory, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	size := memorySize(ringSize)
	if stat.Size != int64(size) {
		return nil, fmt.Errorf("shared memory of %d octets, want %d", stat.Size, size)
	}
	mapped, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	r := sys.Overlay[region](mapped)
	m := &memory{mapped: mapped, process: &r.process}
	samples := sys.OverlaySlice[measurement.Sample](mapped[regionSize:], engine.Loops*ringSize)
	for i := range r.loops {
		one, err := ring.In(&r.loops[i].cursors, samples[i*ringSize:(i+1)*ringSize])
		if err != nil {
			m.free()
			return nil, err
		}
		m.outputs = append(m.outputs, engine.Output{Ring: one, Counters: &r.loops[i].counters})
	}
	return m, nil
}

// blocks are all counters.
func (m *memory) blocks() []*selfstats.Block {
	blocks := []*selfstats.Block{m.process}
	for _, out := range m.outputs {
		blocks = append(blocks, out.Counters)
	}
	return blocks
}

// free unmaps the memory. Nothing of it may be used any more.
func (m *memory) free() {
	_ = unix.Munmap(m.mapped) // fails for what is not mapped only
	m.mapped, m.outputs, m.process = nil, nil, nil
}
