package reflector

import (
	"errors"
	"os"
	"syscall"

	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
)

// spare is a descriptor kept for the time when the process has no other one left. A connection that
// then waits could not even be refused, and would wake the loop over and over for as long as it waits.
type spare struct{ file *os.File }

// keep gets hold of a spare descriptor, if it has none. That may fail; it is tried again later.
func (s *spare) keep() {
	if s.file == nil {
		s.file, _ = openSpare()
	}
}

func (s *spare) release() {
	if s.file != nil {
		_ = s.file.Close()
		s.file = nil
	}
}

// outOfDescriptors reports whether the process or the system has as many as it may (accept(2)).
func outOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// turnAway refuses the connections that wait, one after the other on the spare descriptor.
func (r *Reflector) turnAway(l packetio.Listener) {
	r.starved = true
	r.spare.release()
	defer r.spare.keep()
	r.refuseWaiting(l)
}

// refuseWaiting refuses connections that wait, and reports whether there may be more.
func (r *Reflector) refuseWaiting(l packetio.Listener) (more bool) {
	for range acceptAtOnce {
		stream, err := r.network.Accept(l, token(peerSocket, r.freePeer().index, r.serial))
		if errors.Is(err, packetio.ErrWouldBlock) {
			return false
		}
		if err != nil {
			r.counters.Inc(selfstats.ConnectionsFailed)
			return false
		}
		r.counters.Inc(selfstats.ConnectionsAccepted)
		r.counters.Inc(selfstats.ConnectionsRefused)
		stream.Reset()
	}
	return true
}
