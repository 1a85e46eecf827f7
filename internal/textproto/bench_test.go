package textproto

import (
	"fmt"
	"testing"
)

var benchSizes = []int{0, 200, 1470}

func benchSizesOf(b *testing.B, bench func(b *testing.B, message []byte)) {
	tags := AppendTags(nil, []string{"isp:local", "location:laptop"})
	for _, size := range benchSizes {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			bench(b, NewTemplate("host-a", tags, size).Message(42, someTime))
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	benchSizesOf(b, func(b *testing.B, message []byte) {
		for b.Loop() {
			if _, err := Decode(message); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppendReply(b *testing.B) {
	benchSizesOf(b, func(b *testing.B, message []byte) {
		m := mustDecode(b, message)
		reply := make([]byte, 0, 1500)
		for b.Loop() {
			reply = AppendReply(reply[:0], m, "host-bcd", someTime)
		}
	})
}

func BenchmarkScanner(b *testing.B) {
	benchSizesOf(b, func(b *testing.B, message []byte) {
		s := NewScanner(1470)
		for b.Loop() {
			s.Fed(copy(s.Free(), message))
			if _, ok, err := s.Next(); !ok {
				b.Fatal(err)
			}
			if _, ok, _ := s.Next(); ok {
				b.Fatal("more messages than were fed")
			}
		}
	})
}

func BenchmarkTemplate(b *testing.B) {
	tmpl := NewTemplate("host-a", []byte("['isp:local']"), 1470)
	b.Run("call=Message", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tmpl.Message(42, someTime)
		}
	})
	b.Run("call=Stamp", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tmpl.Stamp(someTime)
		}
	})
}

func BenchmarkValidTags(b *testing.B) {
	tags := []byte("['isp:local', 'location:laptop']")
	b.ReportAllocs()
	for b.Loop() {
		if !ValidTags(tags) {
			b.Fatal("not valid")
		}
	}
}
