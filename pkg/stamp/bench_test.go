package stamp

import (
	"fmt"
	"testing"
	"time"
)

// benchExchanges: base packets, and packets with every TLV filled up to 1472 octets, in both modes.
func benchExchanges(b *testing.B, bench func(b *testing.B, x *exchange)) {
	for _, mode := range []Mode{Unauthenticated, Authenticated} {
		for _, size := range [][]int{{BaseSize, 1472}, {AuthenticatedBaseSize, 1472}}[mode] {
			b.Run(fmt.Sprintf("authenticated=%v/size=%d", mode == Authenticated, size), func(b *testing.B) {
				x := newExchange(b, mode, size)
				x.reflect(b)
				b.ReportAllocs()
				bench(b, x)
			})
		}
	}
}

func BenchmarkStampSender(b *testing.B) {
	benchExchanges(b, func(b *testing.B, x *exchange) {
		for seq := uint32(0); b.Loop(); seq++ {
			if err := x.sender.StampSender(x.request, seq, Timestamp(seq), estimate); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// From the request to the reply with T3.
func BenchmarkReflect(b *testing.B) {
	benchExchanges(b, func(b *testing.B, x *exchange) {
		for b.Loop() {
			x.reflect(b)
		}
	})
}

// With verification, but without a look at the TLVs.
func BenchmarkDecodeReflector(b *testing.B) {
	benchExchanges(b, func(b *testing.B, x *exchange) {
		for b.Loop() {
			p, err := x.sender.DecodeReflector(x.reply)
			if err != nil {
				b.Fatal(err)
			}
			if err := x.sender.VerifyTLVs(&p); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Padding of the least TLVs is the longest walk that a packet can ask for.
func BenchmarkReflectManyTLVs(b *testing.B) {
	var c Codec
	request := c.AppendSender(nil, 0)
	for len(request) < 1472 {
		request = appendHeader(request, 255, 0)
	}
	p := SenderPacket{ErrorEstimate: estimate, TLVs: request[BaseSize:]}
	reply := make([]byte, 1472)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Reflect(reply, &p, &Reflection{ErrorEstimate: estimate}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTimestamp(b *testing.B) {
	b.Run("to=NTP", func(b *testing.B) {
		b.ReportAllocs()
		for at := int64(someTime); b.Loop(); at++ {
			NTP.Timestamp(at, 0)
		}
	})
	b.Run("from=NTP", func(b *testing.B) {
		b.ReportAllocs()
		for wire := NTP.Timestamp(someTime, 0); b.Loop(); wire++ {
			if _, err := NTP.UnixNanos(wire, someTime, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkNewErrorEstimate(b *testing.B) {
	b.ReportAllocs()
	for bound := time.Millisecond; b.Loop(); bound++ {
		NewErrorEstimate(bound, NTP)
	}
}
