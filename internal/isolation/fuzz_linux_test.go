package isolation

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// discard is a backend that takes everything.
type discard struct{}

func (discard) Name() string                                    { return "discard" }
func (discard) Publish(context.Context, []exporter.Point) error { return nil }
func (discard) Flush(context.Context) error                     { return nil }
func (discard) Close(context.Context) error                     { return nil }

// A child that was taken over writes whatever it likes into the shared memory, at any time: between
// its pushes and while the parent drains. The parent neither crashes nor hangs, and can end.
func FuzzSharedMemoryNeverCrashesOrHangsTheParent(f *testing.F) {
	word := func(at uint32, value uint64) []byte {
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(nil, at), value)
	}
	f.Add([]byte{})
	f.Add(word(0, 1<<63))                      // a head
	f.Add(append(word(0, 5), word(128, 1)...)) // a head and, elsewhere, one bit
	f.Add(word(uint32(regionSize), 0x0101_01)) // a sample
	f.Add(append(word(0, 1024), word(uint32(regionSize)+64, ^uint64(0))...))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, fd, err := createMemory(1024)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		e := exporter.New(exporter.Config{Name: "us", FlushLimit: time.Minute})
		e.AddBackend(discard{}, exporter.Pacing{Buffer: 1024})
		for _, out := range m.outputs {
			e.AddRing(out.Ring)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- e.Run(ctx) }()
		for len(data) >= 12 {
			at := uint64(binary.LittleEndian.Uint32(data)) % uint64(len(m.mapped)-8)
			copy(m.mapped[at:at+8], data[4:12])
			data = data[12:]
			m.outputs[at%2].Ring.Push(&measurement.Sample{Kind: measurement.KindMetric, Metric: measurement.UDPRTT})
			e.Wake()
			_ = selfstats.Sum(m.blocks()).Lateness.Quantile(0.99)
		}
		_ = e.Counters()
		for _, out := range m.outputs {
			e.RemoveRing(out.Ring)
		}
		var own selfstats.Block
		for _, block := range m.blocks() {
			own.TakeOver(block)
		}
		m.free()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

// What a child says is parsed where the passwords are.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{version, byte(noted), '"', 'x', '"'})
	f.Add([]byte{version, byte(ready)})
	f.Fuzz(func(t *testing.T, message []byte) {
		if _, body, err := decode(message); err == nil {
			_, _ = decodeBody[string](body)
		}
	})
}
