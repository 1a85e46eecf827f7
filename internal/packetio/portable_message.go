package packetio

import (
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// newMessages makes messages with room for size octets each and for control messages of controlSize.
func newMessages(n, size, controlSize int) []ipv4.Message {
	messages := make([]ipv4.Message, n)
	payload, control := make([]byte, n*size), make([]byte, n*controlSize)
	for i := range messages {
		messages[i].Buffers = [][]byte{payload[i*size : (i+1)*size : (i+1)*size]}
		messages[i].OOB = control[i*controlSize : (i+1)*controlSize : (i+1)*controlSize]
	}
	return messages
}

// controlSize is the room that getControl needs.
func controlSize(ip netip.Addr) int {
	if ip.Is4() {
		return len(ipv4.NewControlMessage(ipv4.FlagDst|ipv4.FlagTTL)) + tosRoom()
	}
	return len(ipv6.NewControlMessage(ipv6.FlagDst | ipv6.FlagInterface | ipv6.FlagTrafficClass | ipv6.FlagHopLimit))
}

// setMessage makes m the packet p, to be sent.
func setMessage(m *ipv4.Message, p *Packet) {
	m.Buffers[0] = p.Data
	m.Addr = net.UDPAddrFromAddrPort(p.Remote)
	m.OOB = sourceControl(p.Local)
}

// sourceControl makes the control message that sets a packet's source address; nil when from is not
// valid or the system has none.
func sourceControl(from netip.Addr) []byte {
	switch {
	case from.Is4():
		return (&ipv4.ControlMessage{Src: from.AsSlice()}).Marshal()
	case from.Is6():
		return (&ipv6.ControlMessage{Src: from.AsSlice(), IfIndex: scope(from)}).Marshal()
	}
	return nil
}

// getPacket makes p the received message m, of at most size octets. Everything else about it, the
// time above all, is not in the message.
func getPacket(p *Packet, m *ipv4.Message, size int) {
	p.Data = m.Buffers[0][:min(m.N, size)]
	p.Cut = m.N > size // there is room for one octet more
	p.Remote, p.Local, p.TOS, p.TTL = netip.AddrPort{}, netip.Addr{}, 0, 0
	if from, ok := m.Addr.(*net.UDPAddr); ok {
		p.Remote = unmapped(from.AddrPort())
	}
	if m.NN > 0 {
		p.getControl(m.OOB[:m.NN])
	}
}

// getControl reads the address that the packet was sent to, and its marks. What is not there stays.
func (p *Packet) getControl(control []byte) {
	if p.Remote.Addr().Is4() {
		p.getControl4(control)
		return
	}
	var m ipv6.ControlMessage
	_ = m.Parse(control) // leaves empty what is not there
	ip, _ := netip.AddrFromSlice(m.Dst)
	if ip.IsLinkLocalUnicast() && m.IfIndex > 0 {
		ip = ip.WithZone(strconv.Itoa(m.IfIndex))
	}
	p.Local, p.TOS, p.TTL = ip, uint8(m.TrafficClass), uint8(m.HopLimit)
}

func (p *Packet) getControl4(control []byte) {
	var m ipv4.ControlMessage
	_ = m.Parse(control)
	ip, _ := netip.AddrFromSlice(m.Dst)
	p.Local = ip.Unmap()
	if m.TTL == 0 {
		return
	}
	if tos, ok := receivedTOS(control); ok {
		p.TOS, p.TTL = tos, uint8(m.TTL)
	}
}

// scope is the interface in an address's zone as getControl writes it; 0 for none.
func scope(ip netip.Addr) int {
	index, _ := strconv.Atoi(ip.Zone())
	return index
}
