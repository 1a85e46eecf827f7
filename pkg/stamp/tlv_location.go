package stamp

import (
	"encoding/binary"
	"net/netip"
)

// LocationItem is what a session-sender asks for in a Location TLV, besides the ports. On the wire it
// is the type of a sub-TLV (RFC 8972 section 5.3).
type LocationItem uint8

// What can be asked for.
const (
	AskSourceMAC     LocationItem = 1
	AskDestinationIP LocationItem = 4
	AskSourceIP      LocationItem = 7
)

// Types of sub-TLVs with which a reflector answers (RFC 8972 section 4.2.1).
const (
	subSourceEUI48     Type = 2
	subSourceEUI64     Type = 3
	subDestinationIPv4 Type = 5
	subDestinationIPv6 Type = 6
	subSourceIPv4      Type = 8
	subSourceIPv6      Type = 9
)

// Lengths, in octets.
const (
	portsSize = 4 // both ports, ahead of the sub-TLVs
	macSize   = 8 // a sub-TLV's value, with zeros behind an EUI-48
	eui48Size = 6
	ipSize    = 16 // a sub-TLV's value, with zeros behind an IPv4 address
	ipv4Size  = 4
)

// Location is the value of a Location TLV, type 2 (RFC 8972 section 4.2): the addresses with which the
// request came to the reflector, which shows NAT on the way. On the wire: destination port (2 octets),
// source port (2), sub-TLVs.
type Location struct {
	DestinationPort, SourcePort uint16
	Destination, Source         netip.Addr // not valid: not told
	SourceMAC                   []byte     // EUI-48 or EUI-64; empty: not told
}

// AppendLocation appends the TLV as a session-sender sends it, asking for the ports and the items.
func AppendLocation(b []byte, items ...LocationItem) []byte {
	length := portsSize
	for _, item := range items {
		length += headerSize + item.size()
	}
	b = append(appendHeader(b, TypeLocation, length), 0, 0, 0, 0)
	var zeros [ipSize]byte
	for _, item := range items {
		b = append(appendHeader(b, Type(item), item.size()), zeros[:item.size()]...)
	}
	return b
}

func (i LocationItem) size() int {
	if i == AskSourceMAC {
		return macSize
	}
	return ipSize
}

// DecodeLocation decodes the value of the TLV, as a reflector answered it. Sub-TLVs of other types,
// and those that the reflector did not answer, are passed over. The errors are ErrTLVLength and
// ErrTLVTruncated.
func DecodeLocation(value []byte) (Location, error) {
	if len(value) < portsSize {
		return Location{}, ErrTLVLength
	}
	l := Location{
		DestinationPort: binary.BigEndian.Uint16(value),
		SourcePort:      binary.BigEndian.Uint16(value[2:]),
	}
	for sub, err := range TLVs(value[portsSize:]) {
		if err == nil && !locationLength(sub) {
			err = ErrTLVLength
		}
		if err != nil {
			return Location{}, err
		}
		if sub.Flags&(FlagUnrecognized|FlagMalformed) == 0 {
			l.read(sub)
		}
	}
	return l, nil
}

func (l *Location) read(sub TLV) {
	switch sub.Type {
	case subSourceEUI48:
		l.SourceMAC = sub.Value[:eui48Size]
	case subSourceEUI64:
		if !allZero(sub.Value) { // zero: the reflector does not know it (RFC 8972 section 4.2.2)
			l.SourceMAC = sub.Value
		}
	case subDestinationIPv4:
		l.Destination = netip.AddrFrom4([ipv4Size]byte(sub.Value))
	case subDestinationIPv6:
		l.Destination = netip.AddrFrom16([ipSize]byte(sub.Value))
	case subSourceIPv4:
		l.Source = netip.AddrFrom4([ipv4Size]byte(sub.Value))
	case subSourceIPv6:
		l.Source = netip.AddrFrom16([ipSize]byte(sub.Value))
	}
}

// locationLength reports whether a sub-TLV has the length of its type; all are known for types 1 to 9.
func locationLength(sub TLV) bool {
	switch {
	case sub.Type >= Type(AskSourceMAC) && sub.Type <= subSourceEUI64:
		return len(sub.Value) == macSize
	case sub.Type >= Type(AskDestinationIP) && sub.Type <= subSourceIPv6:
		return len(sub.Value) == ipSize
	}
	return true
}

// answer fills in a request's value where it is, its length unchanged. Nothing is filled in if a
// sub-TLV is malformed; that one gets M, like the Location TLV itself.
func (l *Location) answer(value []byte) error {
	if len(value) < portsSize {
		return ErrTLVLength
	}
	subs := value[portsSize:]
	for at := 0; ; {
		n, err := tlvSize(subs[at:])
		if n == 0 && err == nil {
			break
		}
		if err == nil && !locationLength(TLV{Type: Type(subs[at+1]), Value: subs[at+headerSize : at+n]}) {
			err = ErrTLVLength
		}
		if err != nil {
			subs[at] = byte(FlagMalformed)
			return err
		}
		at += n
	}
	binary.BigEndian.PutUint16(value, l.DestinationPort)
	binary.BigEndian.PutUint16(value[2:], l.SourcePort)
	for {
		n, _ := tlvSize(subs)
		if n == 0 {
			return nil
		}
		l.answerItem(subs[:n])
		subs = subs[n:]
	}
}

// answerItem fills in one sub-TLV. What is not to be told stays of the type that asks for it, zero.
func (l *Location) answerItem(sub []byte) {
	value := sub[headerSize:]
	sub[0] = 0
	switch LocationItem(sub[1]) {
	case AskSourceMAC:
		clear(value)
		sub[1] = byte(subSourceEUI64)
		if copy(value, l.SourceMAC) == eui48Size {
			sub[1] = byte(subSourceEUI48)
		}
	case AskDestinationIP:
		sub[1] = byte(answerIP(value, l.Destination, Type(AskDestinationIP)))
	case AskSourceIP:
		sub[1] = byte(answerIP(value, l.Source, Type(AskSourceIP)))
	default:
		sub[0] = byte(FlagUnrecognized)
	}
}

// answerIP writes an address and returns the type that says of which family it is: the one that asks
// plus 1 or 2.
func answerIP(value []byte, addr netip.Addr, ask Type) Type {
	clear(value)
	switch addr = addr.Unmap(); {
	case addr.Is4():
		a := addr.As4()
		copy(value, a[:])
		return ask + 1
	case addr.Is6():
		a := addr.As16()
		copy(value, a[:])
		return ask + 2
	}
	return ask
}
