package stamp

import (
	"encoding/binary"
	"errors"
	"iter"
	"math"
)

// TLV is one optional element of a packet (RFC 8972 section 4): on the wire flags (1 octet), type (1),
// length of the value (2), value. Sub-TLVs have the same form.
type TLV struct {
	Flags Flags
	Type  Type
	Value []byte // in the packet's own memory
}

// Flags are the flags of a TLV, 1 octet (RFC 8972 section 4). A session-sender sends each TLV with U
// alone. Of a reply's TLVs it skips those with U, stops at one with M, and uses none if one has I. The
// other bits are reserved: sent as 0, ignored when received.
type Flags uint8

// Flags.
const (
	FlagUnrecognized Flags = 0x80 // U: the reflector does not know the type, or cannot answer
	FlagMalformed    Flags = 0x40 // M: the length is not valid for the type, or too long for the packet
	FlagIntegrity    Flags = 0x20 // I: the HMAC TLV is wrong
)

// Type is the type of a TLV, 1 octet.
type Type uint8

// Types (RFC 8972 section 5.1, RFC 9503 section 4). 240 to 251 are for experiments; Session Identity is
// this project's own.
const (
	TypeExtraPadding         Type = 1
	TypeLocation             Type = 2
	TypeTimestampInformation Type = 3
	TypeClassOfService       Type = 4
	TypeDirectMeasurement    Type = 5
	TypeAccessReport         Type = 6
	TypeFollowUpTelemetry    Type = 7
	TypeHMAC                 Type = 8
	TypeReturnPath           Type = 10
	TypeSessionIdentity      Type = 244
)

// Errors of TLVs.
var (
	// ErrTLVTruncated: a TLV is longer than what is left of the packet, or of the TLV around it.
	ErrTLVTruncated = errors.New("stamp: TLV truncated")
	// ErrTLVLength: the length of a TLV's value is not valid for its type.
	ErrTLVLength = errors.New("stamp: TLV length not valid for its type")
	// ErrTLVValue: the value of a TLV is not valid for its type.
	ErrTLVValue = errors.New("stamp: TLV value not valid for its type")
	// ErrTLVHMAC: the TLVs are not covered by a valid HMAC TLV, though they should be or seem to be.
	ErrTLVHMAC = errors.New("stamp: HMAC TLV missing or wrong")
	// ErrTLVIntegrity: the reflector says that the request's HMAC TLV was wrong.
	ErrTLVIntegrity = errors.New("stamp: TLV with I flag")
	// ErrTLVOversize: a value is longer than its length field can say.
	ErrTLVOversize = errors.New("stamp: TLV value longer than 65535 octets")
)

// headerSize is the length of a TLV without its value.
const headerSize = 4

// TLVs iterates over the TLVs of a packet, as they are in its field TLVs, or over sub-TLVs. It ends
// where padding of zeros begins. A TLV that is truncated comes as ErrTLVTruncated and is the last,
// because what is behind it cannot be told apart. The flags, M too, are for the caller to heed. The
// loop does not allocate.
func TLVs(b []byte) iter.Seq2[TLV, error] {
	return func(yield func(TLV, error) bool) { walk(b, yield) }
}

func walk(b []byte, yield func(TLV, error) bool) {
	for {
		n, err := tlvSize(b)
		if err != nil {
			yield(TLV{}, err)
			return
		}
		if n == 0 || !yield(TLV{Flags(b[0]), Type(b[1]), b[headerSize:n:n]}, nil) {
			return
		}
		b = b[n:]
	}
}

// tlvSize returns how many octets the TLV takes with which b begins: 0 if there is none, because b is
// empty or begins with padding of zeros. Otherwise b has at least that many, or the error is
// ErrTLVTruncated and b at least one.
func tlvSize(b []byte) (int, error) {
	if allZero(b[:min(len(b), headerSize)]) {
		return 0, nil
	}
	if len(b) < headerSize {
		return 0, ErrTLVTruncated
	}
	n := headerSize + int(binary.BigEndian.Uint16(b[2:]))
	if n > len(b) {
		return 0, ErrTLVTruncated
	}
	return n, nil
}

func allZero(b []byte) bool {
	for _, octet := range b {
		if octet != 0 {
			return false
		}
	}
	return true
}

// AppendTLV appends a TLV of any type to a session-sender packet, or a sub-TLV to a value, with U set,
// as a session-sender must. The error is ErrTLVOversize, and b then as it was. It does not allocate if
// b has the capacity.
func AppendTLV(b []byte, t Type, value []byte) ([]byte, error) {
	if len(value) > math.MaxUint16 {
		return b, ErrTLVOversize
	}
	return append(appendHeader(b, t, len(value)), value...), nil
}

func appendHeader(b []byte, t Type, length int) []byte {
	return append(b, byte(FlagUnrecognized), byte(t), byte(length>>8), byte(length))
}

// AppendExtraPadding appends an Extra Padding TLV with a value of n zeros, which brings a packet to a
// size (RFC 8972 section 4.1; pseudorandom octets, which the RFC prefers, can be had by AppendTLV). It
// may be there more than once, and is the only TLV allowed behind the HMAC TLV. The error is
// ErrTLVOversize if n is not in 0 to 65535, and b then as it was.
func AppendExtraPadding(b []byte, n int) ([]byte, error) {
	if n < 0 || n > math.MaxUint16 {
		return b, ErrTLVOversize
	}
	return append(appendHeader(b, TypeExtraPadding, n), make([]byte, n)...), nil
}
