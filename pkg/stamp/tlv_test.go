package stamp

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestTLVsAreIterated(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		want []TLV
		err  error
	}{
		{"nothing", nil, nil, nil},
		{"one without a value", []byte{0x80, 1, 0, 0}, []TLV{{0x80, 1, []byte{}}}, nil},
		{"two", []byte{0x80, 1, 0, 1, 9, 0x40, 200, 0, 2, 8, 7},
			[]TLV{{0x80, 1, []byte{9}}, {0x40, 200, []byte{8, 7}}}, nil},
		{"then padding", []byte{0x80, 1, 0, 1, 9, 0, 0, 0, 0, 0x80}, []TLV{{0x80, 1, []byte{9}}}, nil},
		{"then too little padding", []byte{0x80, 1, 0, 1, 9, 0, 0, 0}, []TLV{{0x80, 1, []byte{9}}}, nil},
		{"then a header that is cut", []byte{0x80, 1, 0, 1, 9, 0, 1, 0}, []TLV{{0x80, 1, []byte{9}}}, ErrTLVTruncated},
		{"one octet", []byte{0x80}, nil, ErrTLVTruncated},
		{"a value that is cut", []byte{0x80, 1, 0, 2, 9}, nil, ErrTLVTruncated},
		{"reserved type with a flag", []byte{0x80, 0, 0, 0}, []TLV{{0x80, 0, []byte{}}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []TLV
			var err error
			for tlv, e := range TLVs(tt.in) {
				if err = e; err == nil {
					got = append(got, tlv)
				}
			}
			same := func(a, b TLV) bool {
				return a.Flags == b.Flags && a.Type == b.Type && bytes.Equal(a.Value, b.Value)
			}
			if !slices.EqualFunc(got, tt.want, same) || err != tt.err {
				t.Errorf("TLVs(%x) = %v, error %v, want %v, error %v", tt.in, got, err, tt.want, tt.err)
			}
		})
	}
}

func TestIterationCanBeLeft(t *testing.T) {
	count := 0
	for range TLVs([]byte{0x80, 1, 0, 0, 0x80, 1, 0, 0}) {
		count++
		break
	}
	if count != 1 {
		t.Errorf("%d TLVs before break, want 1", count)
	}
}

// value returns the value of the only TLV in b.
func value(t *testing.T, b []byte, want Type) []byte {
	t.Helper()
	var values [][]byte
	for tlv, err := range TLVs(b) {
		if err != nil || tlv.Type != want || tlv.Flags != FlagUnrecognized {
			t.Fatalf("TLV %+v, error %v, want type %d with U", tlv, err, want)
		}
		values = append(values, tlv.Value)
	}
	if len(values) != 1 {
		t.Fatalf("%d TLVs in %x, want 1", len(values), b)
	}
	return values[0]
}

func TestFixedTLVsComeBackAnswered(t *testing.T) {
	v := value(t, AppendTimestampInformation(nil), TypeTimestampInformation)
	info := TimestampInformation{SyncNTP, MethodHardware, SyncFreeRunning, MethodControlPlane}
	if err := info.answer(v); err != nil {
		t.Errorf("Timestamp Information: %v", err)
	}
	if got, err := DecodeTimestampInformation(v); got != info || err != nil {
		t.Errorf("DecodeTimestampInformation = %+v, %v, want %+v", got, err, info)
	}

	v = value(t, AppendClassOfService(nil, 46), TypeClassOfService)
	cos := ClassOfService{DSCP1: 1, DSCP2: 63, ECN: 2, RP: 1}
	if err := cos.answer(v); err != nil {
		t.Errorf("Class of Service: %v", err)
	}
	if got, err := DecodeClassOfService(v); got != (ClassOfService{46, 63, 2, 1}) || err != nil {
		t.Errorf("DecodeClassOfService = %+v, %v", got, err)
	}

	v = value(t, AppendDirectMeasurement(nil), TypeDirectMeasurement)
	direct := DirectMeasurement{1, 2, 3}
	if err := errors.Join(SetSenderTx(v, 1<<32-1), direct.answer(v)); err != nil {
		t.Errorf("Direct Measurement: %v", err)
	}
	if got, err := DecodeDirectMeasurement(v); got != (DirectMeasurement{1<<32 - 1, 2, 3}) || err != nil {
		t.Errorf("DecodeDirectMeasurement = %+v, %v", got, err)
	}

	v = value(t, AppendFollowUpTelemetry(nil), TypeFollowUpTelemetry)
	followUp := FollowUpTelemetry{Seq: 1, T3: 2, Method: MethodSoftware}
	if err := followUp.answer(v); err != nil {
		t.Errorf("Follow-Up Telemetry: %v", err)
	}
	if got, err := DecodeFollowUpTelemetry(v); got != followUp || err != nil {
		t.Errorf("DecodeFollowUpTelemetry = %+v, %v, want %+v", got, err, followUp)
	}

	report := AccessReport{AccessID: AccessNon3GPP, ReturnCode: NetworkUnavailable}
	v = value(t, AppendAccessReport(nil, report), TypeAccessReport)
	if got, err := DecodeAccessReport(v); got != report || err != nil {
		t.Errorf("DecodeAccessReport = %+v, %v, want %+v", got, err, report)
	}

	for _, code := range []ControlCode{NoReply, ReplySameLink} {
		v = value(t, AppendReturnPath(nil, code), TypeReturnPath)
		if got, err := DecodeReturnPath(v); got != code || err != nil {
			t.Errorf("DecodeReturnPath = %v, %v, want %v", got, err, code)
		}
	}
}

func TestValuesOfOtherLengthsAreRefused(t *testing.T) {
	decoders := map[string]func([]byte) error{
		"Timestamp Information": func(v []byte) error { _, err := DecodeTimestampInformation(v); return err },
		"Class of Service":      func(v []byte) error { _, err := DecodeClassOfService(v); return err },
		"Direct Measurement":    func(v []byte) error { _, err := DecodeDirectMeasurement(v); return err },
		"Set Sender Tx":         func(v []byte) error { return SetSenderTx(v, 1) },
		"Access Report":         func(v []byte) error { _, err := DecodeAccessReport(v); return err },
		"Follow-Up Telemetry":   func(v []byte) error { _, err := DecodeFollowUpTelemetry(v); return err },
	}
	for name, decode := range decoders {
		for _, n := range []int{0, 1, 3, 5, 11, 13, 15, 17} {
			if err := decode(make([]byte, n)); err != ErrTLVLength {
				t.Errorf("%s of %d octets: error %v, want %v", name, n, err, ErrTLVLength)
			}
		}
	}
}

func TestReturnPathHasOneControlCode(t *testing.T) {
	tests := []struct {
		name  string
		value []byte
		want  ControlCode
		err   error
	}{
		{"reserved bits", []byte{0x80, 1, 0, 4, 0xff, 0xff, 0xff, 0xfe}, NoReply, nil},
		{"behind another", []byte{0x80, 2, 0, 1, 9, 0x80, 1, 0, 4, 0, 0, 0, 1}, ReplySameLink, nil},
		{"two", []byte{0x80, 1, 0, 4, 0, 0, 0, 0, 0x80, 1, 0, 4, 0, 0, 0, 1}, NoReply, nil},
		{"nothing", nil, 0, ErrTLVValue},
		{"none", []byte{0x80, 2, 0, 1, 9}, 0, ErrTLVValue},
		{"too short", []byte{0x80, 1, 0, 3, 0, 0, 0}, 0, ErrTLVLength},
		{"cut", []byte{0x80, 1, 0, 4, 0, 0, 0}, 0, ErrTLVTruncated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := DecodeReturnPath(tt.value); got != tt.want || err != tt.err {
				t.Errorf("DecodeReturnPath(%x) = %v, %v, want %v, %v", tt.value, got, err, tt.want, tt.err)
			}
		})
	}
}

func TestLocationTellsWhatTheReflectorSaw(t *testing.T) {
	tests := []struct {
		name string
		ask  []LocationItem
		saw  Location
		want Location
	}{
		{"ports", nil, Location{DestinationPort: 862, SourcePort: 1}, Location{DestinationPort: 862, SourcePort: 1}},
		{"IPv4", []LocationItem{AskDestinationIP, AskSourceIP},
			Location{Destination: netip.MustParseAddr("192.0.2.1"), Source: netip.MustParseAddr("::ffff:192.0.2.2")},
			Location{Destination: netip.MustParseAddr("192.0.2.1"), Source: netip.MustParseAddr("192.0.2.2")}},
		{"IPv6", []LocationItem{AskSourceIP, AskDestinationIP},
			Location{Destination: netip.MustParseAddr("2001:db8::1"), Source: netip.MustParseAddr("2001:db8::2")},
			Location{Destination: netip.MustParseAddr("2001:db8::1"), Source: netip.MustParseAddr("2001:db8::2")}},
		{"not told", []LocationItem{AskSourceMAC, AskDestinationIP, AskSourceIP}, Location{}, Location{}},
		{"not asked", nil, Location{Source: netip.MustParseAddr("192.0.2.1")}, Location{}},
		{"EUI-48", []LocationItem{AskSourceMAC}, Location{SourceMAC: []byte("sixoct")}, Location{SourceMAC: []byte("sixoct")}},
		{"EUI-64", []LocationItem{AskSourceMAC}, Location{SourceMAC: []byte("8 octets")}, Location{SourceMAC: []byte("8 octets")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := value(t, AppendLocation(nil, tt.ask...), TypeLocation)
			if err := tt.saw.answer(v); err != nil {
				t.Fatalf("answer: %v", err)
			}
			got, err := DecodeLocation(v)
			if err != nil || got.DestinationPort != tt.want.DestinationPort || got.SourcePort != tt.want.SourcePort ||
				got.Destination != tt.want.Destination || got.Source != tt.want.Source ||
				!bytes.Equal(got.SourceMAC, tt.want.SourceMAC) {
				t.Errorf("DecodeLocation(%x) = %+v, %v, want %+v", v, got, err, tt.want)
			}
		})
	}
}

func TestLocationPassesOverWhatWasNotAnswered(t *testing.T) {
	v := []byte{3, 94, 0, 1, 0x80, 5, 0, 16}
	v = append(v, make([]byte, 16)...)
	v = append(v, 0, 100, 0, 1, 9)
	if got, err := DecodeLocation(v); got.DestinationPort != 862 || got.Destination.IsValid() || err != nil {
		t.Errorf("DecodeLocation(%x) = %+v, %v", v, got, err)
	}
}

func TestLocationThatIsMalformedIsRefused(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		want error
	}{
		{"no ports", []byte{0, 1, 0}, ErrTLVLength},
		{"sub-TLV cut", []byte{0, 1, 0, 1, 0, 5, 0, 16, 1}, ErrTLVTruncated},
		{"address of another length", []byte{0, 1, 0, 1, 0, 5, 0, 4, 1, 2, 3, 4}, ErrTLVLength},
		{"MAC of another length", []byte{0, 1, 0, 1, 0, 2, 0, 6, 1, 2, 3, 4, 5, 6}, ErrTLVLength},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := DecodeLocation(tt.in); err != tt.want {
				t.Errorf("DecodeLocation(%x) = %+v, %v, want %v", tt.in, got, err, tt.want)
			}
			if err := new(Location).answer(bytes.Clone(tt.in)); err != tt.want {
				t.Errorf("answer(%x) = %v, want %v", tt.in, err, tt.want)
			}
		})
	}
}

func TestSessionIdentityHasNameAndTags(t *testing.T) {
	for _, tags := range [][]string{nil, {""}, {"isp:local", "", "city:Zürich"}} {
		b, err := AppendSessionIdentity(nil, "node-a", tags...)
		if err != nil {
			t.Fatal(err)
		}
		id, err := DecodeSessionIdentity(value(t, b, TypeSessionIdentity))
		if err != nil || string(id.Name()) != "node-a" {
			t.Errorf("identity %q, %v, want node-a", id.Name(), err)
		}
		var got []string
		for tag := range id.Tags() {
			got = append(got, string(tag))
		}
		if !slices.Equal(got, tags) {
			t.Errorf("Tags = %q, want %q", got, tags)
		}
	}
	for range SessionIdentity(nil).Tags() {
		t.Error("no identity has a tag")
	}
}

func TestSessionIdentityIsChecked(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want error
	}{
		{"nothing", "", ErrTLVLength},
		{"half a length", "\x00", ErrTLVLength},
		{"empty name", "\x00\x00", ErrTLVValue},
		{"name cut", "\x00\x02a", ErrTLVLength},
		{"tag cut", "\x00\x01a\x00\x01", ErrTLVLength},
		{"half a length behind", "\x00\x01a\x00", ErrTLVLength},
		{"name that is not UTF-8", "\x00\x01\xff", ErrTLVValue},
		{"tag that is not UTF-8", "\x00\x01a\x00\x01\xff", ErrTLVValue},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if id, err := DecodeSessionIdentity([]byte(tt.in)); err != tt.want || id != nil {
				t.Errorf("DecodeSessionIdentity(%q) = %q, %v, want %v", tt.in, id, err, tt.want)
			}
		})
	}
}

func TestAppendingRefusesWhatCannotBeSaid(t *testing.T) {
	long := strings.Repeat("x", 1<<16)
	before := []byte("before")
	tests := []struct {
		name   string
		append func() ([]byte, error)
		want   error
	}{
		{"value", func() ([]byte, error) { return AppendTLV(before, 200, []byte(long)) }, ErrTLVOversize},
		{"padding", func() ([]byte, error) { return AppendExtraPadding(before, 1<<16) }, ErrTLVOversize},
		{"negative padding", func() ([]byte, error) { return AppendExtraPadding(before, -1) }, ErrTLVOversize},
		{"name", func() ([]byte, error) { return AppendSessionIdentity(before, long[2:]) }, ErrTLVOversize},
		{"tags", func() ([]byte, error) { return AppendSessionIdentity(before, "a", long[:40000], long[:40000]) }, ErrTLVOversize},
		{"no name", func() ([]byte, error) { return AppendSessionIdentity(before, "") }, ErrTLVValue},
		{"name that is not UTF-8", func() ([]byte, error) { return AppendSessionIdentity(before, "\xff") }, ErrTLVValue},
		{"tag that is not UTF-8", func() ([]byte, error) { return AppendSessionIdentity(before, "a", "\xff") }, ErrTLVValue},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := tt.append(); err != tt.want || string(got) != "before" {
				t.Errorf("appended %d octets, error %v, want none, error %v", len(got)-len(before), err, tt.want)
			}
		})
	}
}
