package packetio

import "golang.org/x/net/ipv4"

// arrival is a batch of packets as read from a socket, or the error that reading gave.
type arrival struct {
	messages []ipv4.Message
	packets  []Packet
	err      error
}

// arrivals are on their way from the goroutine that reads a UDP socket to the loop, and back when the
// loop is done with them. There are two, so that one can be read while the loop handles the other.
type arrivals struct {
	full, empty chan *arrival
	// The loop's:
	current *arrival // nil = none
	next    int      // packets of current before this one are taken
}

const inFlight = 2

func newArrivals() arrivals {
	return arrivals{full: make(chan *arrival, inFlight), empty: make(chan *arrival, inFlight)}
}

func (a *arrivals) ready() bool {
	return len(a.full) > 0 || a.current != nil && a.next < len(a.current.packets)
}

// take moves what is there to packets, for the loop.
func (a *arrivals) take(packets []Packet) (int, error) {
	if a.current != nil && a.next == len(a.current.packets) {
		a.empty <- a.current // has room for all there are
		a.current = nil
	}
	if a.current == nil {
		select {
		case a.current = <-a.full:
			a.next = 0
		default:
			return 0, nil
		}
	}
	n := copy(packets, a.current.packets[a.next:])
	a.next += n
	return n, a.current.err // with an error there are no packets
}
