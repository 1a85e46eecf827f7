package textproto

import "testing"

func TestNothingIsAllocatedPerMessage(t *testing.T) {
	tags := AppendTags(nil, []string{"isp:local", "city:Zürich", `it's "q"`})
	tmpl := NewTemplate("host-a", tags, 1470)
	datagram := append([]byte(nil), tmpl.Message(42, someTime)...)
	request := mustDecode(t, datagram)
	reply := make([]byte, 0, 1500)
	query := request
	query.Padding = []byte(StampQuery)
	unusual := []byte("it's\n\x00\u200b\U000e0001\xff")
	tag := make([]byte, 0, 10*len(unusual)+4)
	scanner := NewScanner(1470)
	seq := 0

	tests := []struct {
		name string
		do   func()
	}{
		{"Decode", func() { mustDecode(t, datagram) }},
		{"Decode with an error", func() { _, _ = Decode(datagram[:20]) }},
		{"ValidTags", func() { _ = ValidTags(tags) }},
		{"Template.Message and Stamp", func() {
			seq = (seq + 1) % Numbers
			tmpl.Message(seq, someTime)
			tmpl.Stamp(someTime + 1)
		}},
		{"AppendReply", func() { reply = AppendReply(reply[:0], request, "host-bcd", someTime) }},
		{"AppendStampReply", func() { reply = AppendStampReply(reply[:0], query, "host-bcd", someTime) }},
		{"AppendTag", func() { tag = AppendTag(append(tag[:0], '['), 0, unusual) }},
		{"Scanner", func() { scanHalves(t, scanner, datagram) }},
		{"Scanner with an error", func() {
			scanner.Fed(copy(scanner.Free(), "x"))
			if _, _, err := scanner.Next(); err != ErrSeq {
				t.Fatalf("Next() error = %v, want %v", err, ErrSeq)
			}
			scanner.Reset()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if n := testing.AllocsPerRun(1000, tt.do); n != 0 {
				t.Errorf("%v allocations per run, want 0", n)
			}
		})
	}
}

// scanHalves feeds a message in two pieces, the first of which ends within the header.
func scanHalves(t testing.TB, s *Scanner, b []byte) {
	s.Fed(copy(s.Free(), b[:20]))
	if _, ok, err := s.Next(); ok || err != nil {
		t.Fatalf("Next() after half a header = %v, %v, want false, nil", ok, err)
	}
	s.Fed(copy(s.Free(), b[20:]))
	if _, ok, err := s.Next(); !ok || err != nil {
		t.Fatalf("Next() after a message = %v, %v, want true, nil", ok, err)
	}
	if _, ok, err := s.Next(); ok || err != nil {
		t.Fatalf("Next() after the last message = %v, %v, want false, nil", ok, err)
	}
}
