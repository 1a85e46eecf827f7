package stamp

import "encoding/binary"

// The TLVs with values of a fixed length. Decode functions take the value and return ErrTLVLength if
// it has another length; reserved bits are ignored.

// Lengths of values, in octets.
const (
	timestampInformationSize = 4
	classOfServiceSize       = 4
	directMeasurementSize    = 12
	accessReportSize         = 4
	followUpTelemetrySize    = 16
)

// SyncSource is what a clock is synchronised by (RFC 8972 section 5.4).
type SyncSource uint8

// Synchronisation sources; 0 is none of them.
const (
	SyncNTP         SyncSource = iota + 1
	SyncPTP                    // IEEE 1588
	SyncSSUBITS                // SSU or BITS, the timing supply of a telecommunication network
	SyncGNSS                   // GPS, GLONASS, BeiDou, Galileo, also LORAN-C
	SyncFreeRunning            // not synchronised
)

// Method is how a timestamp is taken (RFC 8972 section 5.5).
type Method uint8

// Timestamping methods; 0 is none of them.
const (
	MethodHardware     Method = iota + 1
	MethodSoftware            // in the packet's way, by software
	MethodControlPlane        // elsewhere
)

// TimestampInformation is the value of a Timestamp Information TLV, type 3, 4 octets (RFC 8972 section
// 4.3). A session-sender sends zeros; the reflector tells of its T2 and its T3.
type TimestampInformation struct {
	SyncIn    SyncSource // octet 0: of the clock of T2
	MethodIn  Method     // octet 1: of T2
	SyncOut   SyncSource // octet 2: of the clock of T3
	MethodOut Method     // octet 3: of T3
}

// AppendTimestampInformation appends the TLV as a session-sender sends it.
func AppendTimestampInformation(b []byte) []byte {
	return append(appendHeader(b, TypeTimestampInformation, timestampInformationSize), 0, 0, 0, 0)
}

// DecodeTimestampInformation decodes the value of the TLV.
func DecodeTimestampInformation(value []byte) (TimestampInformation, error) {
	if len(value) != timestampInformationSize {
		return TimestampInformation{}, ErrTLVLength
	}
	return TimestampInformation{
		SyncIn: SyncSource(value[0]), MethodIn: Method(value[1]),
		SyncOut: SyncSource(value[2]), MethodOut: Method(value[3]),
	}, nil
}

func (i *TimestampInformation) answer(value []byte) error {
	if len(value) != timestampInformationSize {
		return ErrTLVLength
	}
	value[0], value[1], value[2], value[3] = byte(i.SyncIn), byte(i.MethodIn), byte(i.SyncOut), byte(i.MethodOut)
	return nil
}

// ClassOfService is the value of a Class of Service TLV, type 4, 4 octets (RFC 8972 section 4.4 with
// erratum 8199). The session-sender asks for DSCP1 on the way back; the reflector tells DSCP and ECN of
// the IP header that reached it, so that re-marking on the way shows.
type ClassOfService struct {
	DSCP1 uint8 // 6 bits: wanted by the session-sender for the reply
	DSCP2 uint8 // 6 bits: with which the request came
	ECN   uint8 // 2 bits: with which the request came
	RP    uint8 // 2 bits: 1 if the reflector's policy does not permit DSCP1, and it used DSCP2; else 0
}

// AppendClassOfService appends the TLV as a session-sender sends it, asking for dscp1 on the way back,
// of which the lower 6 bits are used.
func AppendClassOfService(b []byte, dscp1 uint8) []byte {
	return append(appendHeader(b, TypeClassOfService, classOfServiceSize), dscp1<<2, 0, 0, 0)
}

// DecodeClassOfService decodes the value of the TLV.
func DecodeClassOfService(value []byte) (ClassOfService, error) {
	if len(value) != classOfServiceSize {
		return ClassOfService{}, ErrTLVLength
	}
	bits := binary.BigEndian.Uint16(value)
	return ClassOfService{
		DSCP1: uint8(bits >> 10), DSCP2: uint8(bits >> 4 & 0x3f), ECN: uint8(bits >> 2 & 3), RP: uint8(bits & 3),
	}, nil
}

// answer leaves DSCP1 as it came.
func (s *ClassOfService) answer(value []byte) error {
	if len(value) != classOfServiceSize {
		return ErrTLVLength
	}
	bits := uint16(value[0]&0xfc)<<8 | uint16(s.DSCP2&0x3f)<<4 | uint16(s.ECN&3)<<2 | uint16(s.RP&3)
	binary.BigEndian.PutUint16(value, bits)
	value[2], value[3] = 0, 0
	return nil
}

// DirectMeasurement is the value of a Direct Measurement TLV, type 5, 12 octets (RFC 8972 section 4.5):
// counters of packets, modulo 2^32, from which each direction's loss follows.
type DirectMeasurement struct {
	SenderTx    uint32 // S_TxC, octets 0 to 3: sent by the session-sender
	ReflectorRx uint32 // R_RxC, octets 4 to 7: received by the reflector
	ReflectorTx uint32 // R_TxC, octets 8 to 11: sent by the reflector
}

// AppendDirectMeasurement appends the TLV as a session-sender sends it. SetSenderTx sets its counter
// for each packet.
func AppendDirectMeasurement(b []byte) []byte {
	var value [directMeasurementSize]byte
	return append(appendHeader(b, TypeDirectMeasurement, directMeasurementSize), value[:]...)
}

// SetSenderTx sets the session-sender's counter in a Direct Measurement TLV's value, as TLVs finds it
// in a prepared packet. To be done before StampSender, whose HMAC covers it. The error is ErrTLVLength.
func SetSenderTx(value []byte, n uint32) error {
	if len(value) != directMeasurementSize {
		return ErrTLVLength
	}
	binary.BigEndian.PutUint32(value, n)
	return nil
}

// DecodeDirectMeasurement decodes the value of the TLV.
func DecodeDirectMeasurement(value []byte) (DirectMeasurement, error) {
	if len(value) != directMeasurementSize {
		return DirectMeasurement{}, ErrTLVLength
	}
	return DirectMeasurement{
		SenderTx:    binary.BigEndian.Uint32(value),
		ReflectorRx: binary.BigEndian.Uint32(value[4:]),
		ReflectorTx: binary.BigEndian.Uint32(value[8:]),
	}, nil
}

// answer leaves the sender's counter as it came.
func (m *DirectMeasurement) answer(value []byte) error {
	if len(value) != directMeasurementSize {
		return ErrTLVLength
	}
	binary.BigEndian.PutUint32(value[4:], m.ReflectorRx)
	binary.BigEndian.PutUint32(value[8:], m.ReflectorTx)
	return nil
}

// Access networks of an Access Report (RFC 8972 section 4.6), and its return codes (section 5.6).
const (
	Access3GPP    = 1
	AccessNon3GPP = 2

	NetworkAvailable   = 1
	NetworkUnavailable = 2
)

// AccessReport is the value of an Access Report TLV, type 6, 4 octets (RFC 8972 section 4.6): the
// session-sender tells of its access network, and the reflector sends it back as it is.
type AccessReport struct {
	AccessID   uint8 // 4 bits: Access3GPP or AccessNon3GPP
	ReturnCode uint8 // octet 1: NetworkAvailable, NetworkUnavailable, or another that both ends know
}

// AppendAccessReport appends the TLV.
func AppendAccessReport(b []byte, r AccessReport) []byte {
	return append(appendHeader(b, TypeAccessReport, accessReportSize), r.AccessID<<4, r.ReturnCode, 0, 0)
}

// DecodeAccessReport decodes the value of the TLV. The error is also ErrTLVValue, for another access
// network: such a TLV must be discarded (RFC 8972 section 4.6).
func DecodeAccessReport(value []byte) (AccessReport, error) {
	if len(value) != accessReportSize {
		return AccessReport{}, ErrTLVLength
	}
	r := AccessReport{AccessID: value[0] >> 4, ReturnCode: value[1]}
	if r.AccessID != Access3GPP && r.AccessID != AccessNon3GPP {
		return AccessReport{}, ErrTLVValue
	}
	return r, nil
}

// FollowUpTelemetry is the value of a Follow-Up Telemetry TLV, type 7, 16 octets (RFC 8972 section 4.7):
// the previous reply's T3 as it turned out, for instance by the kernel's transmit timestamp. From a
// stateless reflector Seq and T3 are 0.
type FollowUpTelemetry struct {
	Seq    uint32    // octets 0 to 3: the reflector's own sequence number of the previous reply
	T3     Timestamp // octets 4 to 11: when that was sent, in the format of the packet's ErrorEstimate
	Method Method    // octet 12: how that time was taken
}

// AppendFollowUpTelemetry appends the TLV as a session-sender sends it.
func AppendFollowUpTelemetry(b []byte) []byte {
	var value [followUpTelemetrySize]byte
	return append(appendHeader(b, TypeFollowUpTelemetry, followUpTelemetrySize), value[:]...)
}

// DecodeFollowUpTelemetry decodes the value of the TLV.
func DecodeFollowUpTelemetry(value []byte) (FollowUpTelemetry, error) {
	if len(value) != followUpTelemetrySize {
		return FollowUpTelemetry{}, ErrTLVLength
	}
	return FollowUpTelemetry{
		Seq:    binary.BigEndian.Uint32(value),
		T3:     Timestamp(binary.BigEndian.Uint64(value[4:])),
		Method: Method(value[12]),
	}, nil
}

// answer clears the fields in a value of another length too, as RFC 8972 section 4.7 wants.
func (f *FollowUpTelemetry) answer(value []byte) error {
	if len(value) != followUpTelemetrySize {
		clear(value[:min(len(value), 12)])
		return ErrTLVLength
	}
	binary.BigEndian.PutUint32(value, f.Seq)
	binary.BigEndian.PutUint64(value[4:], uint64(f.T3))
	value[12], value[13], value[14], value[15] = byte(f.Method), 0, 0, 0
	return nil
}
