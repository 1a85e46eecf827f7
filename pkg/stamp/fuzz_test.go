package stamp

import (
	"bytes"
	"testing"
)

// Whatever comes, a reflector's reply is as long as the request or the base packet, is built in the
// memory given for it, has the same TLVs with other flags, and can be decoded; a session-sender that
// got it may use the TLVs if the reflector did.
func FuzzDecode(f *testing.F) {
	g := readGolden(f)
	for _, v := range g.Vectors {
		f.Add([]byte(v.Hex), true, v.Authenticated)
	}
	for _, r := range g.Reflections {
		f.Add([]byte(r.Request), r.Mode != "", r.Mode == "authenticated")
		f.Add([]byte(r.Reply), r.Mode != "", r.Mode == "authenticated")
	}
	f.Fuzz(func(t *testing.T, b []byte, keyed, authenticated bool) {
		mode := ""
		if authenticated {
			mode = "authenticated"
		} else if keyed {
			mode = "keyed"
		}
		c := g.codec(t, mode)
		b = bytes.Clone(b)[:len(b):len(b)] // a read behind the end panics
		if authenticated && len(b) >= AuthenticatedBaseSize {
			c.sign(b) // else no input gets further
		}
		fuzzReply(t, c, b)
		request, err := c.DecodeSender(b)
		if err != nil {
			return
		}
		size := max(c.layout().base, len(b))
		memory := bytes.Repeat([]byte{0xee}, size+1)
		x := newExchange(t, Unauthenticated, BaseSize)
		reply, err := c.Reflect(memory[:size:size], &request, &x.reflection)
		if err != nil || reply.Size != size || memory[size] != 0xee {
			t.Fatalf("Reflect = %+v, error %v, want size %d; octet behind it %#x", reply, err, size, memory[size])
		}
		packet := memory[:size:size]
		if err := c.StampReflector(packet, 1); err != nil {
			t.Fatalf("StampReflector: %v", err)
		}
		checkReply(t, c, packet, request, reply)
	})
}

func checkReply(t *testing.T, c *Codec, packet []byte, request SenderPacket, reply Reply) {
	t.Helper()
	p, err := c.DecodeReflector(packet)
	if err != nil {
		t.Fatalf("DecodeReflector of a reply: %v", err)
	}
	if p.SenderSeq != request.Seq || p.T1 != request.T1 || p.SenderErrorEstimate != request.ErrorEstimate ||
		p.SSID != request.SSID || p.T3 != 1 {
		t.Errorf("request %+v, reply %+v", request, p)
	}
	if err := c.VerifyTLVs(&p); err == nil && reply.TLVErr == ErrTLVHMAC && len(sizes(p.TLVs)) > 0 {
		t.Errorf("VerifyTLVs of a reply with I = nil")
	} else if err != nil && reply.TLVErr != ErrTLVHMAC {
		t.Errorf("VerifyTLVs of a reply = %v, reflector's error %v", err, reply.TLVErr)
	}
	if got, want := sizes(p.TLVs), sizes(request.TLVs); !equalPrefix(got, want) {
		t.Errorf("TLVs of %v octets come back as %v", want, got)
	}
}

// fuzzReply reads b as a reply, and all that is in it.
func fuzzReply(t *testing.T, c *Codec, b []byte) {
	before := bytes.Clone(b)
	p, err := c.DecodeReflector(b)
	if err == nil {
		_ = c.VerifyTLVs(&p)
		for tlv, err := range TLVs(p.TLVs) {
			if err == nil {
				_ = decodeTLV(tlv)
			}
		}
	}
	if !bytes.Equal(b, before) {
		t.Errorf("DecodeReflector changed %x to %x", before, b)
	}
}

// What the walk yields are pieces of the input, in its order, and put together again are the input up
// to where the walk ended; what can be decoded says the same when it is encoded again.
func FuzzTLVs(f *testing.F) {
	g := readGolden(f)
	for _, v := range g.Vectors {
		f.Add([]byte(v.TLVs))
	}
	for _, r := range g.Reflections {
		f.Add([]byte(r.Request[BaseSize%len(r.Request):]))
		f.Add([]byte(r.Reply[BaseSize:]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)[:len(b):len(b)]
		var again []byte
		var walkErr error
		for tlv, err := range TLVs(b) {
			if walkErr != nil {
				t.Fatal("the walk goes on behind an error")
			}
			if walkErr = err; err != nil {
				continue
			}
			at := len(again)
			again = append(appendHeader(again, tlv.Type, len(tlv.Value)), tlv.Value...)
			again[at] = byte(tlv.Flags)
			checkTLV(t, tlv)
		}
		rest, whole := bytes.CutPrefix(b, again)
		if !whole {
			t.Fatalf("TLVs of %x put together: %x", b, again)
		}
		if padding := allZero(rest[:min(len(rest), headerSize)]); padding != (walkErr == nil) {
			t.Errorf("TLVs of %x end with error %v before %x", b, walkErr, rest)
		}
	})
}

// checkTLV decodes a TLV's value, and if that can be said in a request, encodes it again.
func checkTLV(t *testing.T, tlv TLV) {
	t.Helper()
	if decodeTLV(tlv) != nil {
		return
	}
	var again []byte
	v := bytes.Clone(tlv.Value)
	switch tlv.Type {
	case TypeTimestampInformation:
		i, _ := DecodeTimestampInformation(v)
		again = AppendTimestampInformation(nil)
		_ = i.answer(again[headerSize:])
	case TypeClassOfService:
		s, _ := DecodeClassOfService(v)
		again = AppendClassOfService(nil, s.DSCP1)
		_ = s.answer(again[headerSize:])
		clear(v[2:]) // reserved
	case TypeDirectMeasurement:
		m, _ := DecodeDirectMeasurement(v)
		again = AppendDirectMeasurement(nil)
		_ = m.answer(again[headerSize:])
		_ = SetSenderTx(again[headerSize:], m.SenderTx)
	case TypeAccessReport:
		r, _ := DecodeAccessReport(v)
		again = AppendAccessReport(nil, r)
		v[0] &= 0xf0
		clear(v[2:])
	case TypeFollowUpTelemetry:
		u, _ := DecodeFollowUpTelemetry(v)
		again = AppendFollowUpTelemetry(nil)
		_ = u.answer(again[headerSize:])
		clear(v[13:])
	case TypeSessionIdentity:
		id, _ := DecodeSessionIdentity(v)
		var tags []string
		for tag := range id.Tags() {
			tags = append(tags, string(tag))
		}
		again, _ = AppendSessionIdentity(nil, string(id.Name()), tags...)
	default:
		return
	}
	if !bytes.Equal(again[headerSize:], v) {
		t.Errorf("TLV %+v encodes to %x", tlv, again)
	}
}

// sizes of the TLVs that a walk finds, in octets.
func sizes(tlvs []byte) []int {
	var ns []int
	for tlv, err := range TLVs(tlvs) {
		if err == nil {
			ns = append(ns, len(tlv.Value))
		}
	}
	return ns
}

// equalPrefix: flags that are set can make TLVs of what was padding, but only behind the others.
func equalPrefix(got, want []int) bool {
	if len(got) < len(want) {
		return false
	}
	for i := range want {
		if got[i] != want[i] {
			return false
		}
	}
	return true
}
