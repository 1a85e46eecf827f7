package timestamp

import (
	"math/bits"
	"os"

	"golang.org/x/sys/unix"
)

// The options and control messages whose times have 64-bit seconds. On 32-bit targets these are the
// _NEW variants (Linux 5.1, socket(7)); on 64-bit ones the plain ones have them already.
var (
	optTimestampNS = choose(unix.SO_TIMESTAMPNS, unix.SO_TIMESTAMPNS_NEW)
	optTimestamp   = choose(unix.SO_TIMESTAMPING, unix.SO_TIMESTAMPING_NEW)
)

func choose(plain, wide int) int {
	if bits.UintSize == 32 {
		return wide
	}
	return plain
}

// EnableReceive asks for a kernel timestamp on every packet or segment that socket fd receives.
// Sockets accepted from a listening one inherit it.
func EnableReceive(fd int) error {
	return os.NewSyscallError("setsockopt SO_TIMESTAMPNS", unix.SetsockoptInt(fd, unix.SOL_SOCKET, optTimestampNS, 1))
}

// reporting has transmit timestamps come without the packet, and with its number
// (Documentation/networking/timestamping.rst, sections 1.3.2 and 1.3.3).
const reporting = unix.SOF_TIMESTAMPING_SOFTWARE | unix.SOF_TIMESTAMPING_OPT_ID | unix.SOF_TIMESTAMPING_OPT_TSONLY

// EnableTransmit asks for software timestamps, to be read from the error queue, of those datagrams sent on fd that
// ask for one each by a control message (sys.Ancillary). These are numbered from 0 since this call, and no others.
func EnableTransmit(fd int) error { return enable(fd, reporting) }

// optRxFilter (SOF_TIMESTAMPING_OPT_RX_FILTER, since Linux 6.12) keeps the kernel from telling, with each packet that
// is received, its timestamp a second time in a message of SO_TIMESTAMPING: what we ask for is about packets sent.
const optRxFilter = 1 << 17

func enable(fd, flags int) error {
	// The kernel restarts its numbering only when OPT_ID goes from off to on.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, optTimestamp, 0); err != nil {
		return os.NewSyscallError("setsockopt SO_TIMESTAMPING", err)
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, optTimestamp, flags|optRxFilter) == nil {
		return nil
	}
	return os.NewSyscallError("setsockopt SO_TIMESTAMPING", unix.SetsockoptInt(fd, unix.SOL_SOCKET, optTimestamp, flags))
}
