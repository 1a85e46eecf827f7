package stamp

import (
	"bytes"
	"testing"
)

const estimate = ErrorEstimate(1)

func TestNewCodecRefusesAuthenticationWithoutAKey(t *testing.T) {
	if c, err := NewCodec(Authenticated, nil); err != ErrNoKey {
		t.Errorf("NewCodec(Authenticated, nil) = %v, %v, want %v", c, err, ErrNoKey)
	}
}

func TestZeroCodecIsUnauthenticated(t *testing.T) {
	var c Codec
	packet := c.AppendSender(nil, 0x1234)
	if err := c.StampSender(packet, 1, 2, estimate); err != nil || len(packet) != BaseSize {
		t.Fatalf("StampSender: %v, %d octets", err, len(packet))
	}
	if p, err := c.DecodeSender(packet); p.Seq != 1 || p.T1 != 2 || p.SSID != 0x1234 || err != nil {
		t.Errorf("DecodeSender = %+v, %v", p, err)
	}
}

func TestPacketsOfWrongSizeAreRefused(t *testing.T) {
	big := bytes.Repeat([]byte{1}, MaxSize+1)
	key := []byte("a key")
	tests := []struct {
		name      string
		mode      Mode
		reflector bool
		smallest  int
	}{
		{"unauthenticated request", Unauthenticated, false, MinSenderSize},
		{"unauthenticated reply", Unauthenticated, true, MinReflectorSize},
		{"authenticated request", Authenticated, false, AuthenticatedBaseSize},
		{"authenticated reply", Authenticated, true, AuthenticatedBaseSize},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCodec(t, tt.mode, key)
			decode := func(n int) (err error) {
				if tt.reflector {
					_, err = c.DecodeReflector(big[:n])
				} else {
					_, err = c.DecodeSender(big[:n])
				}
				return err
			}
			for n := range tt.smallest {
				if err := decode(n); err != ErrShort {
					t.Errorf("%d octets: error %v, want %v", n, err, ErrShort)
				}
			}
			for _, n := range []int{tt.smallest, MaxSize} {
				if err := decode(n); err == ErrShort || err == ErrOversize {
					t.Errorf("%d octets: error %v", n, err)
				}
			}
			if err := decode(MaxSize + 1); err != ErrOversize {
				t.Errorf("%d octets: error %v, want %v", MaxSize+1, err, ErrOversize)
			}
		})
	}
}

func TestRepliesShorterThanTheBasePacketHaveNoTTL(t *testing.T) {
	var c Codec
	packet := bytes.Repeat([]byte{7}, 60)
	for n := MinReflectorSize; n <= len(packet); n++ {
		p, err := c.DecodeReflector(packet[:n])
		if err != nil || (p.TTL == 7) != (n >= 41) || len(p.TLVs) != max(0, n-BaseSize) {
			t.Errorf("%d octets: TTL %d, %d octets of TLVs, %v", n, p.TTL, len(p.TLVs), err)
		}
	}
}

func TestShortRequestsHaveNoSSID(t *testing.T) {
	var c Codec
	packet := bytes.Repeat([]byte{7}, 60)
	for n := MinSenderSize; n <= len(packet); n++ {
		p, err := c.DecodeSender(packet[:n])
		if err != nil || (p.SSID == 0x0707) != (n >= BaseSize) || len(p.TLVs) != max(0, n-BaseSize) {
			t.Errorf("%d octets: SSID %#x, %d octets of TLVs, %v", n, p.SSID, len(p.TLVs), err)
		}
	}
}

func TestStampingRefusesWhatDecodingWould(t *testing.T) {
	var open Codec
	authenticated := newCodec(t, Authenticated, []byte("a key"))
	packet := make([]byte, AuthenticatedBaseSize)
	tests := []struct {
		name string
		got  error
		want error
	}{
		{"request too short", open.StampSender(packet[:13], 0, 0, estimate), ErrShort},
		{"request of TWAMP Light", open.StampSender(packet[:14:14], 0, 0, estimate), nil},
		{"request without multiplier", open.StampSender(packet, 0, 0, SyncBit), ErrMultiplier},
		{"authenticated request too short", authenticated.StampSender(packet[:111], 0, 0, estimate), ErrShort},
		{"reply too short", open.StampReflector(packet[:43], 0), ErrShort},
		{"authenticated reply too short", authenticated.StampReflector(packet[:111], 0), ErrShort},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: error %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

func TestReflectRefuses(t *testing.T) {
	var c Codec
	request := SenderPacket{ErrorEstimate: estimate, TLVs: make([]byte, 16)}
	if _, err := c.Reflect(make([]byte, 59), &request, &Reflection{ErrorEstimate: estimate}); err != ErrNoRoom {
		t.Errorf("Reflect into 59 octets: error %v, want %v", err, ErrNoRoom)
	}
	if _, err := c.Reflect(make([]byte, 60), &request, &Reflection{}); err != ErrMultiplier {
		t.Errorf("Reflect without multiplier: error %v, want %v", err, ErrMultiplier)
	}
}

func TestReplyTellsWhatAnsweredTLVsWant(t *testing.T) {
	wants := AppendFollowUpTelemetry(AppendClassOfService(nil, 46))
	malformed := []byte{byte(FlagUnrecognized), byte(TypeSessionIdentity), 0, 0}
	empty := []byte{0, byte(TypeClassOfService), 0, 0}
	all := Reflection{ErrorEstimate: 1, ClassOfService: &ClassOfService{}, FollowUpTelemetry: &FollowUpTelemetry{}}
	tests := []struct {
		name     string
		tlvs     []byte
		with     Reflection
		dscp1    uint8
		followUp bool
	}{
		{"none", nil, all, 0, false},
		{"both", wants, all, 46, true},
		{"both, which have no answer", wants, Reflection{ErrorEstimate: 1}, 0, false},
		{"both ahead of a malformed one", append(bytes.Clone(wants), malformed...), all, 46, true},
		{"both behind a malformed one", append(bytes.Clone(malformed), wants...), all, 0, false},
		{"both behind one without its value", append(bytes.Clone(empty), wants...), all, 0, false},
		{"one without its value behind a malformed one", append(bytes.Clone(malformed), empty...), all, 0, false},
		{"both with an HMAC that nobody can check", AppendHMAC(bytes.Clone(wants)), all, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reply, err := new(Codec).Reflect(make([]byte, MaxSize), &SenderPacket{TLVs: tt.tlvs}, &tt.with)
			if err != nil || reply.DSCP1 != tt.dscp1 || reply.FollowUp != tt.followUp {
				t.Errorf("Reflect = %+v, error %v, want DSCP1 %d, FollowUp %t", reply, err, tt.dscp1, tt.followUp)
			}
		})
	}
}

func TestSenderDoesNotTrustTLVs(t *testing.T) {
	keyed := newCodec(t, Unauthenticated, []byte("a key"))
	other := newCodec(t, Unauthenticated, []byte("another key"))
	var open Codec
	cos := AppendClassOfService(nil, 46)
	signed := AppendHMAC(cos)
	keyed.signTLVs(9, signed)
	failed := bytes.Clone(cos)
	failed[0] |= byte(FlagIntegrity)
	padding, _ := AppendExtraPadding(nil, 8)
	tests := []struct {
		name  string
		codec *Codec
		seq   uint32
		tlvs  []byte
		want  error
	}{
		{"signed", keyed, 9, signed, nil},
		{"signed for another number", keyed, 8, signed, ErrTLVHMAC},
		{"signed with another key", other, 9, signed, ErrTLVHMAC},
		{"signed, no key here", &open, 9, signed, ErrTLVHMAC},
		{"not signed", keyed, 9, cos, ErrTLVHMAC},
		{"not signed, no key here", &open, 9, cos, nil},
		{"only padding", keyed, 9, padding, nil},
		{"padding twice", keyed, 9, append(bytes.Clone(padding), padding...), ErrTLVHMAC},
		{"no TLVs", keyed, 9, nil, nil},
		{"reflector found it wrong", keyed, 9, failed, ErrTLVIntegrity},
		{"I behind a malformed TLV", &open, 9, append([]byte{byte(FlagMalformed), 4, 0, 0}, failed...), nil},
		{"behind the HMAC TLV", keyed, 9, append(bytes.Clone(signed), cos...), ErrTLVHMAC},
		{"padding behind the HMAC TLV", keyed, 9, append(bytes.Clone(signed), padding...), nil},
		{"HMAC TLV cut", keyed, 9, []byte{0, byte(TypeHMAC), 0, 1, 0}, ErrTLVHMAC},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := ReflectorPacket{Seq: tt.seq, TLVs: tt.tlvs}
			if err := tt.codec.VerifyTLVs(&p); err != tt.want {
				t.Errorf("VerifyTLVs(%x) = %v, want %v", tt.tlvs, err, tt.want)
			}
		})
	}
}
