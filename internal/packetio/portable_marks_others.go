//go:build !darwin && !freebsd && !linux

package packetio

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// errNoTOS says that golang.org/x/net has no call for this, nor has the system one that is the same
// everywhere.
var errNoTOS = fmt.Errorf("%w on %s", errors.ErrUnsupported, runtime.GOOS)

// setMarks leaves a connection as it is: see setMarksLate.
func setMarks(syscall.RawConn, bool, Marking) error { return nil }

// setMarksLate sets what an established connection sends with, as far as golang.org/x/net can.
func setMarksLate(conn *net.TCPConn, ip4 bool, want Marking) {
	if want == (Marking{}) {
		return
	}
	socket := marker(renamed{ipv6.NewConn(conn)})
	if ip4 {
		socket = ipv4.NewConn(conn)
	}
	m, _, _ := newMarks(socket)
	_ = m.set(want)
}

func receiveTOS(syscall.Conn) error { return errNoTOS }

func tosRoom() int { return 0 }

func receivedTOS([]byte) (tos uint8, ok bool) { return 0, false }
