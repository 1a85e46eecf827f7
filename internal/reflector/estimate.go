package reflector

import (
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// estimating is how often the clock's error is asked for.
const estimating = time.Second

// estimate is our statement on T2 and T3, and how these are written.
type estimate struct {
	format    stamp.Format
	offset    time.Duration // of PTP timestamps
	value     stamp.ErrorEstimate
	sync      stamp.SyncSource // for Timestamp Information
	next      clock.Mono
	readError func() clock.Error
}

func newEstimate(c *Stamp) estimate {
	e := estimate{format: c.Format, offset: c.UTCOffset, readError: clock.ReadError}
	e.refresh(0)
	return e
}

// refresh asks for the clock's error when that is due.
func (e *estimate) refresh(now clock.Mono) {
	if now < e.next {
		return
	}
	e.next = now.Add(estimating)
	state := e.readError()
	e.value, e.sync = stamp.NewErrorEstimate(state.Bound, e.format), stamp.SyncFreeRunning
	if state.Synchronised {
		e.value |= stamp.SyncBit
		e.sync = 0 // the kernel does not say to what
	}
}

func (e *estimate) timestamp(at clock.Wall) stamp.Timestamp {
	return e.format.Timestamp(int64(at), e.offset)
}
