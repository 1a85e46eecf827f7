package measurement

import "syscall"

// Event is a change in a session's or loop's state that an operator wants to read once, not per packet.
type Event uint8

// Events. Those marked errno carry the system's error number as detail.
const (
	EventAnswering    Event = iota + 1 // the target answered, first or again
	EventSilent                        // MaxLost probes in a row were lost
	EventUnreachable                   // errno: an ICMP error or a refused connection
	EventConnected                     // the established TCP connection is up
	EventDisconnected                  // errno (ETIMEDOUT after MaxLost losses, EBADMSG for what is no reply), or 0: closed by the peer
	EventSendFailed                    // errno: the system refused to send a probe
	EventSendWorks                     // sending works again
	EventSessionsFull                  // the reflector refuses new sessions; detail = the limit
	EventClockStep                     // detail = by how many nanoseconds the wall clock stepped
	EventStamp                         // an auto session goes over to STAMP
	EventText                          // it goes back to text, since the target does not answer STAMP
	EventRemarked                      // TOS octet sent << 8 | TOS octet that reached the far end (DSCP and ECN; RFC 2474, 3168)
	EventTTL                           // probes reach the far end with this TTL or hop limit now
	EventClockError                    // the host's clock: its error bound in nanoseconds, or -1: it is not synchronised
	eventEnd
)

var eventNames = [eventEnd]string{
	EventAnswering:    "answering",
	EventSilent:       "silent",
	EventUnreachable:  "unreachable",
	EventConnected:    "connected",
	EventDisconnected: "disconnected",
	EventSendFailed:   "send failed",
	EventSendWorks:    "send works again",
	EventSessionsFull: "session table full",
	EventClockStep:    "clock step",
	EventStamp:        "goes over to stamp",
	EventText:         "goes back to text",
	EventRemarked:     "re-marked",
	EventTTL:          "ttl changed",
	EventClockError:   "clock error",
}

// String gives the event's name, "invalid" when it has none.
func (e Event) String() string {
	if e == 0 || e >= eventEnd {
		return "invalid"
	}
	return eventNames[e]
}

// NewEvent makes a KindEvent record. Session 0 stands for the loop itself.
func NewEvent(id SessionID, at int64, e Event, detail int64) Sample {
	return Sample{Session: id, Kind: KindEvent, Time: at, Value: int64(e), T1: detail}
}

// Event reads what NewEvent wrote; 0 when the record holds no known event.
func (s *Sample) Event() (e Event, detail int64) {
	if s.Kind != KindEvent || s.Value <= 0 || s.Value >= int64(eventEnd) {
		return 0, 0
	}
	return Event(s.Value), s.T1
}

// Errno reads an event's detail as a system error; nil when it is 0.
func Errno(detail int64) error {
	if detail == 0 {
		return nil
	}
	return syscall.Errno(detail)
}
