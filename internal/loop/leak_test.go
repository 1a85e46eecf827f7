package loop

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// useEverything opens one socket of each kind, in each state that it can be left in.
func useEverything(t *testing.T, i implementation) {
	t.Helper()
	r, loopback := newRig(t, i), netip.MustParseAddr("127.0.0.1")
	udp := r.listenUDP(loopback, packetio.Options{MaxSize: 1470, Batch: batch, Transmit: true, Errors: true}, 10)
	r.listenUDP(loopback, small, 11)
	r.send(udp, packetsTo(udp.LocalAddr(), 100)) // not read
	l := r.listenTCP(loopback, listenToken)
	accepted := make([]packetio.Stream, 0, 4)
	for i := range Token(4) {
		r.dial(l.LocalAddr(), 20+i)
		accepted = append(accepted, r.accept(l, 30+i))
	}
	if _, err := accepted[0].Write(payload(1, 10)); err != nil { // not read
		t.Fatal(err)
	}
	writeUntilFull(r, accepted[1])
	accepted[2].Close()
	r.closed(accepted[2])
	for i := range Token(4) {
		r.dial(l.LocalAddr(), 40+i) // not accepted, perhaps not connected
	}
	r.end()
}

func TestNoGoroutineStays(t *testing.T) {
	for _, i := range implementations() {
		t.Run(i.name, func(t *testing.T) {
			useEverything(t, i) // starts what stays for good
			before := runtime.NumGoroutine()
			useEverything(t, i)
			// Those that Close waited for may not be gone yet: they have said so, and then end.
			for deadline := time.Now().Add(waittest.Patience()); runtime.NumGoroutine() > before; runtime.Gosched() {
				if time.Now().After(deadline) {
					stacks := make([]byte, 1<<16)
					t.Fatalf("%d goroutines, before it were %d:\n%s", runtime.NumGoroutine(), before,
						stacks[:runtime.Stack(stacks, true)])
				}
			}
		})
	}
}
