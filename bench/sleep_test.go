package bench

import (
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// sleepLoop wakes up on a grid of slots for a while by time.Sleep, as a plain Go program would.
func sleepLoop(interval, d time.Duration, p *pace) {
	slot := clock.MonoNow().Add(interval)
	for end := slot.Add(d); slot < end; {
		time.Sleep(slot.Sub(clock.MonoNow()))
		slots := p.wake(clock.MonoNow().Sub(slot), interval)
		slot = slot.Add(time.Duration(slots) * interval)
	}
}
