package packetio

import (
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// send numbers n packets and returns the ID of the first.
func (t *transmitIDs) send(n int) uint32 {
	first := t.next()
	for range n - 1 {
		t.next()
	}
	return first
}

func TestTransmitIDsFollowTheKernelsNumbers(t *testing.T) {
	var ids transmitIDs
	if first := ids.send(3); first != 0 {
		t.Errorf("the first ID is %d, want 0", first)
	}
	ids.restart(100)
	ids.restart(200) // nothing was sent in between
	if first := ids.send(2); first != 3 {
		t.Errorf("the first ID after a restart is %d, want 3", first)
	}
	tests := []struct {
		name   string
		at     clock.Wall
		number uint32
		want   uint32
		wantOK bool
	}{
		{"the first packet", 50, 0, 0, true},
		{"the last before the restart", 199, 2, 2, true},
		{"one that was not sent before the restart", 50, 3, 0, false},
		{"the first after the restart", 200, 0, 3, true},
		{"the last", 1000, 1, 4, true},
		{"one from before the restart that left after it", 201, 2, 0, false},
		{"a number from nowhere", 1000, 1 << 31, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if id, ok := ids.find(tt.at, tt.number); ok != tt.wantOK || ok && id != tt.want {
				t.Errorf("find(%d, %d) = %d, %t, want %d, %t", tt.at, tt.number, id, ok, tt.want, tt.wantOK)
			}
		})
	}
}

func TestTransmitIDsForgetWhatIsLongAgo(t *testing.T) {
	var ids transmitIDs
	for i := range clock.Wall(numberings + 1) {
		ids.restart(i * 100)
		ids.send(1)
	}
	if id, ok := ids.find(50, 0); ok {
		t.Errorf("a timestamp from %d restarts ago is packet %d's, want nobody's", numberings, id)
	}
	for i := clock.Wall(1); i <= numberings; i++ {
		if id, ok := ids.find(i*100+50, 0); !ok || id != uint32(i) {
			t.Errorf("find at %d = %d, %t, want %d, true", i*100+50, id, ok, i)
		}
	}
}

func TestTransmitIDsWrap(t *testing.T) {
	var ids transmitIDs
	ids.kept[0].sent = 1<<32 - 2
	for _, want := range []uint32{1<<32 - 2, 1<<32 - 1, 0, 1} {
		if id := ids.next(); id != want {
			t.Errorf("next = %d, want %d", id, want)
		}
	}
	for _, number := range []uint32{1<<32 - 1, 0, 1} {
		if id, ok := ids.find(1, number); id != number || !ok {
			t.Errorf("find(%d) = %d, %t, want the same, true", number, id, ok)
		}
	}
}
