package clock

import "time"

// Error is what the system knows of the wall clock's error.
type Error struct {
	Bound        time.Duration // it is off by no more than this, if Synchronised
	Synchronised bool          // to an outside source
}

// unknownError is the bound that stands for none, as Linux has it for a clock that was never set
// (NTP_PHASE_LIMIT in linux/timex.h: 16 s).
const unknownError = 16 * time.Second

// ReadError asks the system; an unsynchronised clock where it has no answer. It costs a system call and
// does not allocate.
func ReadError() Error { return readError() }
