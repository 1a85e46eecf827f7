package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// readError reads the bound that the clock's daemon has told the kernel, which lets it grow by 500 ppm
// from then on (adjtimex(2), maxerror).
func readError() Error {
	var t unix.Timex // reads and sets nothing
	if _, err := unix.Adjtimex(&t); err != nil {
		return Error{Bound: unknownError}
	}
	return Error{
		Bound:        time.Duration(t.Maxerror) * time.Microsecond,
		Synchronised: t.Status&unix.STA_UNSYNC == 0,
	}
}
