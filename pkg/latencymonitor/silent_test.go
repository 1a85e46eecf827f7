package latencymonitor

import "net"

// silent is a UDP port that answers nothing.
type silent struct{ net.PacketConn }

func newSilent() (silent, error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	return silent{conn}, err
}

func (s silent) port() uint16 { return s.LocalAddr().(*net.UDPAddr).AddrPort().Port() }
