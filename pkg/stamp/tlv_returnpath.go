package stamp

import "encoding/binary"

// ControlCode is the value of a Control Code sub-TLV, type 1, 4 octets, in a Return Path TLV, type 10
// (RFC 9503 section 4.1.1). Only its lowest bit has a meaning.
type ControlCode uint32

// Control codes.
const (
	NoReply       ControlCode = 0 // no reply requested
	ReplySameLink ControlCode = 1 // reply requested on the link by which the request came
)

const subControlCode Type = 1

const controlCodeSize = 4

// AppendReturnPath appends a Return Path TLV with a control code. A packet may have one only.
func AppendReturnPath(b []byte, code ControlCode) []byte {
	b = appendHeader(b, TypeReturnPath, headerSize+controlCodeSize)
	b = appendHeader(b, subControlCode, controlCodeSize)
	return binary.BigEndian.AppendUint32(b, uint32(code))
}

// DecodeReturnPath decodes the value of a Return Path TLV. A control code is all it knows: the other
// sub-TLVs are ignored beside one, as they must be, and without one the error is ErrTLVValue. Other
// errors are ErrTLVLength and ErrTLVTruncated.
func DecodeReturnPath(value []byte) (ControlCode, error) {
	found, code := false, ControlCode(0)
	for sub, err := range TLVs(value) {
		if err != nil {
			return 0, err
		}
		if sub.Type != subControlCode || found {
			continue
		}
		if len(sub.Value) != controlCodeSize {
			return 0, ErrTLVLength
		}
		found, code = true, ControlCode(binary.BigEndian.Uint32(sub.Value))&1
	}
	if !found {
		return 0, ErrTLVValue
	}
	return code, nil
}
