package stamp

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
	"time"
)

// golden is testdata/golden.json; its README says how it was made.
type golden struct {
	Key         hexBytes
	Vectors     []vector
	Reflections []reflection
}

type vector struct {
	Name          string
	Authenticated bool
	Hex, TLVs     hexBytes
	Error         sentinel
	Sender        *goldenSender // of a session-sender packet
	Reflector     *struct {     // of a session-reflector packet
		Seq    uint32
		T2, T3 goldenTime
		E      goldenEstimate
		TTL    uint8
		Sender goldenSender
	}
}

type goldenSender struct {
	Seq  uint32
	T1   goldenTime
	E    goldenEstimate
	SSID uint16
}

type goldenTime struct {
	Raw  Timestamp
	Unix int64
	TAI  int64 // seconds
}

type goldenEstimate struct {
	Raw                     ErrorEstimate
	S, Z, Scale, Multiplier int
}

type reflection struct {
	Name, Mode     string
	Request, Reply hexBytes
	Reflection     Reflection
	T3             Timestamp
	Error          sentinel // of the TLVs
	NoReply        bool     `json:"no_reply"`
	Identity       hexBytes
}

type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.AppendDecode(nil, text)
	return err
}

// sentinel is an error of the package, by its name.
type sentinel struct{ error }

func (s *sentinel) UnmarshalText(text []byte) error {
	s.error = map[string]error{
		"ErrShort": ErrShort, "ErrHMAC": ErrHMAC, "ErrMultiplier": ErrMultiplier,
		"ErrTLVTruncated": ErrTLVTruncated, "ErrTLVLength": ErrTLVLength, "ErrTLVValue": ErrTLVValue,
		"ErrTLVHMAC": ErrTLVHMAC,
	}[string(text)]
	return nil
}

func readGolden(t testing.TB) golden {
	t.Helper()
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Vectors) == 0 || len(g.Reflections) == 0 {
		t.Fatal("no vectors or no reflections")
	}
	return g
}

func (g golden) codec(t testing.TB, mode string) *Codec {
	t.Helper()
	switch mode {
	case "authenticated":
		return newCodec(t, Authenticated, g.Key)
	case "keyed":
		return newCodec(t, Unauthenticated, g.Key)
	}
	return newCodec(t, Unauthenticated, nil)
}

// codecOf is for packets of which some have an HMAC TLV.
func (g golden) codecOf(t testing.TB, v vector) *Codec {
	t.Helper()
	if v.Authenticated {
		return g.codec(t, "authenticated")
	}
	return g.codec(t, "")
}

func newCodec(t testing.TB, mode Mode, key []byte) *Codec {
	t.Helper()
	c, err := NewCodec(mode, key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestGoldenSenderPacketsDecode(t *testing.T) {
	g := readGolden(t)
	for _, v := range g.Vectors {
		if v.Sender == nil {
			continue
		}
		p, err := g.codecOf(t, v).DecodeSender(v.Hex)
		if err != v.Error.error {
			t.Errorf("%s: DecodeSender error = %v, want %v", v.Name, err, v.Error.error)
		}
		if err != nil {
			continue
		}
		w := v.Sender
		if p.Seq != w.Seq || p.T1 != w.T1.Raw || p.ErrorEstimate != w.E.Raw || p.SSID != w.SSID ||
			!bytes.Equal(p.TLVs, v.TLVs) {
			t.Errorf("%s: DecodeSender = %+v, want %+v, TLVs %x", v.Name, p, *w, v.TLVs)
		}
		checkTime(t, v.Name, w.T1, w.E)
		checkEstimate(t, v.Name, w.E)
	}
}

func TestGoldenReflectorPacketsDecode(t *testing.T) {
	g := readGolden(t)
	for _, v := range g.Vectors {
		if v.Reflector == nil {
			continue
		}
		p, err := g.codecOf(t, v).DecodeReflector(v.Hex)
		if err != v.Error.error {
			t.Errorf("%s: DecodeReflector error = %v, want %v", v.Name, err, v.Error.error)
		}
		if err != nil {
			continue
		}
		w := v.Reflector
		if p.Seq != w.Seq || p.T2 != w.T2.Raw || p.T3 != w.T3.Raw || p.ErrorEstimate != w.E.Raw || p.TTL != w.TTL ||
			p.SenderSeq != w.Sender.Seq || p.T1 != w.Sender.T1.Raw || p.SenderErrorEstimate != w.Sender.E.Raw ||
			p.SSID != w.Sender.SSID || !bytes.Equal(p.TLVs, v.TLVs) {
			t.Errorf("%s: DecodeReflector = %+v, want %+v, TLVs %x", v.Name, p, *w, v.TLVs)
		}
		checkTime(t, v.Name, w.Sender.T1, w.Sender.E)
		checkTime(t, v.Name, w.T2, w.E)
		checkTime(t, v.Name, w.T3, w.E)
	}
}

func checkTime(t *testing.T, name string, w goldenTime, e goldenEstimate) {
	t.Helper()
	format, tai := e.Raw.Format(), time.Duration(w.TAI)*time.Second
	if got := format.Timestamp(w.Unix, tai); got != w.Raw {
		t.Errorf("%s: Timestamp(%d, %v) = %#x, want %#x", name, w.Unix, tai, got, w.Raw)
	}
	near := w.Unix - int64(10*365*24*time.Hour)
	if got, err := format.UnixNanos(w.Raw, near, tai); got != w.Unix || err != nil {
		t.Errorf("%s: UnixNanos(%#x, %v) = %d, %v, want %d", name, w.Raw, tai, got, err, w.Unix)
	}
}

func checkEstimate(t *testing.T, name string, w goldenEstimate) {
	t.Helper()
	e := w.Raw
	if e.Synchronised() != (w.S == 1) || e.Format() != Format(w.Z) || e.Scale() != w.Scale || e.Multiplier() != w.Multiplier {
		t.Errorf("%s: error estimate %#x: S %v, format %d, scale %d, multiplier %d, want %+v",
			name, uint16(e), e.Synchronised(), e.Format(), e.Scale(), e.Multiplier(), w)
	}
}

// A packet is prepared with what it holds before its HMAC TLV was computed, and stamped twice.
func TestStampSenderMakesTheGoldenPackets(t *testing.T) {
	g := readGolden(t)
	for _, v := range g.Vectors {
		if v.Sender == nil || v.Error.error != nil {
			continue
		}
		c, w := g.codecOf(t, v), v.Sender
		packet := append(c.AppendSender([]byte("before"), w.SSID), v.TLVs...)[len("before"):]
		for tlv := range TLVs(packet[len(packet)-len(v.TLVs):]) {
			if tlv.Type == TypeHMAC {
				clear(tlv.Value)
			}
		}
		for _, seq := range []uint32{w.Seq + 1, w.Seq} {
			if err := c.StampSender(packet, seq, w.T1.Raw, w.E.Raw); err != nil {
				t.Errorf("%s: StampSender: %v", v.Name, err)
			}
		}
		if !bytes.Equal(packet, v.Hex) {
			t.Errorf("%s: packet\n%x, want\n%x", v.Name, packet, []byte(v.Hex))
		}
	}
}

func TestReflectMakesTheGoldenBasePackets(t *testing.T) {
	g := readGolden(t)
	for _, v := range g.Vectors {
		if v.Reflector == nil || v.Error.error != nil {
			continue
		}
		c, w := g.codecOf(t, v), v.Reflector
		request := SenderPacket{Seq: w.Sender.Seq, T1: w.Sender.T1.Raw, ErrorEstimate: w.Sender.E.Raw, SSID: w.Sender.SSID}
		r := Reflection{Seq: w.Seq, T2: w.T2.Raw, ErrorEstimate: w.E.Raw, TTL: w.TTL}
		packet := make([]byte, 200)
		reply, err := c.Reflect(packet, &request, &r)
		if err != nil {
			t.Fatalf("%s: Reflect: %v", v.Name, err)
		}
		packet = packet[:reply.Size]
		if err := c.StampReflector(packet, w.T3.Raw); err != nil {
			t.Fatalf("%s: StampReflector: %v", v.Name, err)
		}
		if same := min(len(packet), len(v.Hex)); !bytes.Equal(packet[:same], v.Hex[:same]) {
			t.Errorf("%s: packet\n%x, want\n%x", v.Name, packet, []byte(v.Hex))
		}
	}
}

func TestReflectAnswersGoldenRequests(t *testing.T) {
	g := readGolden(t)
	for _, r := range g.Reflections {
		t.Run(r.Name, func(t *testing.T) {
			c := g.codec(t, r.Mode)
			request, err := c.DecodeSender(r.Request)
			if err != nil {
				t.Fatalf("DecodeSender: %v", err)
			}
			packet := bytes.Repeat([]byte{0xee}, MaxSize)
			reply, err := c.Reflect(packet, &request, &r.Reflection)
			if err != nil {
				t.Fatalf("Reflect: %v", err)
			}
			got := packet[:reply.Size]
			if err := c.StampReflector(got, r.T3); err != nil {
				t.Fatalf("StampReflector: %v", err)
			}
			if !bytes.Equal(got, r.Reply) {
				t.Errorf("reply\n%x, want\n%x", got, []byte(r.Reply))
			}
			if reply.TLVErr != r.Error.error || reply.NoReply != r.NoReply || !bytes.Equal(reply.Identity, r.Identity) {
				t.Errorf("Reflect = %+v, want TLVErr %v, NoReply %v, Identity %q",
					reply, r.Error.error, r.NoReply, []byte(r.Identity))
			}
			checkVerified(t, c, got, r.Error.error)
		})
	}
}

// checkVerified: the session-sender may use a reply's TLVs unless they carry I.
func checkVerified(t *testing.T, c *Codec, packet []byte, tlvErr error) {
	t.Helper()
	p, err := c.DecodeReflector(packet)
	if err != nil {
		t.Fatalf("DecodeReflector: %v", err)
	}
	var want error
	if tlvErr == ErrTLVHMAC {
		want = ErrTLVIntegrity
	}
	if err := c.VerifyTLVs(&p); err != want {
		t.Errorf("VerifyTLVs = %v, want %v", err, want)
	}
}
