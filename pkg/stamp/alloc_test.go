package stamp

import (
	"net/netip"
	"testing"
	"time"
)

// exchange is a request with every TLV, and all that is needed to answer it again and again.
type exchange struct {
	sender, reflector *Codec
	request, reply    []byte
	direct            []byte // the value of the request's Direct Measurement TLV
	reflection        Reflection
}

// newExchange makes a request of so many octets; the TLVs need 400.
func newExchange(t testing.TB, mode Mode, size int) *exchange {
	t.Helper()
	key := []byte("a key for both")
	x := &exchange{
		sender:    newCodec(t, mode, key),
		reflector: newCodec(t, mode, key),
		reply:     make([]byte, size),
		reflection: Reflection{
			T2:            NTP.Timestamp(someTime, 0),
			ErrorEstimate: estimate,
			TTL:           250,
			Location: &Location{
				DestinationPort: Port, Destination: netip.MustParseAddr("192.0.2.1"),
				SourcePort: 40000, Source: netip.MustParseAddr("2001:db8::2"),
			},
			TimestampInformation: &TimestampInformation{SyncNTP, MethodSoftware, SyncNTP, MethodSoftware},
			ClassOfService:       &ClassOfService{DSCP2: 46},
			DirectMeasurement:    &DirectMeasurement{ReflectorRx: 1, ReflectorTx: 1},
			FollowUpTelemetry:    &FollowUpTelemetry{},
		},
	}
	x.request = x.sender.AppendSender(make([]byte, 0, size), 77)
	if size > len(x.request) {
		x.appendTLVs(t, size)
	}
	x.stamp(t)
	return x
}

func (x *exchange) appendTLVs(t testing.TB, size int) {
	t.Helper()
	b := AppendDirectMeasurement(x.request)
	x.direct = b[len(b)-directMeasurementSize:]
	b = AppendLocation(b, AskSourceMAC, AskDestinationIP, AskSourceIP)
	b = AppendTimestampInformation(b)
	b = AppendClassOfService(b, 46)
	b = AppendAccessReport(b, AccessReport{Access3GPP, NetworkAvailable})
	b = AppendFollowUpTelemetry(b)
	b = AppendReturnPath(b, NoReply)
	b, err := AppendSessionIdentity(b, "node-a", "isp:local", "city:Zürich")
	if err != nil {
		t.Fatal(err)
	}
	b = AppendHMAC(b)
	if x.request, err = AppendExtraPadding(b, size-len(b)-headerSize); err != nil {
		t.Fatal(err)
	}
}

func (x *exchange) stamp(t testing.TB) {
	if x.direct != nil {
		if err := SetSenderTx(x.direct, 8); err != nil {
			t.Fatal(err)
		}
	}
	e := NewErrorEstimate(time.Millisecond, NTP) | SyncBit
	if err := x.sender.StampSender(x.request, 7, NTP.Timestamp(someTime, 0), e); err != nil {
		t.Fatal(err)
	}
}

func (x *exchange) reflect(t testing.TB) {
	p, err := x.reflector.DecodeSender(x.request)
	if err != nil {
		t.Fatal(err)
	}
	x.reflection.Seq = p.Seq
	reply, err := x.reflector.Reflect(x.reply, &p, &x.reflection)
	if err != nil || reply.TLVErr != nil {
		t.Fatal(err, reply.TLVErr)
	}
	if err := x.reflector.StampReflector(x.reply[:reply.Size], NTP.Timestamp(someTime, 0)); err != nil {
		t.Fatal(err)
	}
}

func (x *exchange) receive(t testing.TB) {
	p, err := x.sender.DecodeReflector(x.reply)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.ErrorEstimate.Format().UnixNanos(p.T2, someTime, 0); err != nil {
		t.Fatal(err)
	}
	if err := x.sender.VerifyTLVs(&p); err != nil {
		t.Fatal(err)
	}
	for tlv, err := range TLVs(p.TLVs) {
		if err == nil {
			err = decodeTLV(tlv)
		}
		if err != nil {
			t.Fatal(tlv.Type, err)
		}
	}
}

func decodeTLV(tlv TLV) (err error) {
	switch tlv.Type {
	case TypeLocation:
		_, err = DecodeLocation(tlv.Value)
	case TypeTimestampInformation:
		_, err = DecodeTimestampInformation(tlv.Value)
	case TypeClassOfService:
		_, err = DecodeClassOfService(tlv.Value)
	case TypeDirectMeasurement:
		_, err = DecodeDirectMeasurement(tlv.Value)
	case TypeAccessReport:
		_, err = DecodeAccessReport(tlv.Value)
	case TypeFollowUpTelemetry:
		_, err = DecodeFollowUpTelemetry(tlv.Value)
	case TypeReturnPath:
		_, err = DecodeReturnPath(tlv.Value)
	case TypeSessionIdentity:
		var id SessionIdentity
		id, err = DecodeSessionIdentity(tlv.Value)
		for range id.Tags() {
			_ = id.Name()
		}
	}
	return err
}

func TestNothingIsAllocatedPerPacket(t *testing.T) {
	for _, mode := range []Mode{Unauthenticated, Authenticated} {
		base := newExchange(t, mode, []int{BaseSize, AuthenticatedBaseSize}[mode])
		full := newExchange(t, mode, 1472)
		spoilt := append([]byte(nil), base.request...)
		spoilt[mode+1] ^= 1  // authenticated: wrong HMAC
		clear(spoilt[12:14]) // unauthenticated: multiplier 0
		truncated := newExchange(t, mode, 1472)
		truncated.request = truncated.request[:len(truncated.request)-1]
		tests := []struct {
			name string
			do   func()
		}{
			{"base packet there and back", func() { base.stamp(t); base.reflect(t); base.receive(t) }},
			{"all TLVs there and back", func() { full.stamp(t); full.reflect(t); full.receive(t) }},
			{"packet too short", func() { _, _ = base.sender.DecodeSender(base.request[:10]) }},
			{"spoilt packet", func() {
				if _, err := base.sender.DecodeSender(spoilt); err == nil {
					t.Fatal("decoded")
				}
			}},
			{"truncated TLV", func() {
				p, _ := truncated.reflector.DecodeSender(truncated.request)
				reply, err := truncated.reflector.Reflect(truncated.reply, &p, &truncated.reflection)
				if err != nil || reply.TLVErr != ErrTLVTruncated {
					t.Fatal(err, reply.TLVErr)
				}
			}},
			{"no room", func() {
				p, _ := full.reflector.DecodeSender(full.request)
				if _, err := full.reflector.Reflect(full.reply[:100], &p, &full.reflection); err != ErrNoRoom {
					t.Fatal(err)
				}
			}},
			{"preparing", func() {
				b := full.sender.AppendSender(full.reply[:0], 1)
				_, _ = AppendSessionIdentity(AppendLocation(b, AskSourceIP), "node-a", "isp:local")
			}},
		}
		for _, tt := range tests {
			if n := testing.AllocsPerRun(1000, tt.do); n != 0 {
				t.Errorf("mode %d: %s: %v allocations per run, want 0", mode, tt.name, n)
			}
		}
	}
}
