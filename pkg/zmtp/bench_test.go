package zmtp

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// sampleSize is the length of the json line of a sample.
const sampleSize = 155

// What does it cost to publish a message, until the subscribers on loopback have read it?
func BenchmarkSend(b *testing.B) {
	for _, n := range []int{0, 1, 10} {
		b.Run(fmt.Sprintf("subscribers=%d", n), func(b *testing.B) {
			p := listen(b, Options{HWM: 1 << 30})
			var readers sync.WaitGroup
			for range n {
				r := subscribed(b, p, "m")
				readers.Go(func() { read(r.conn, b.N, sampleSize+shortHeader) })
			}
			m := []byte(strings.Repeat("m", sampleSize))
			b.SetBytes(sampleSize)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N { // not b.Loop: the readers must know how many there will be
				if err := p.Send(m); err != nil {
					b.Fatal(err)
				}
			}
			readers.Wait()
		})
	}
}

// read reads so many messages of one size.
func read(conn net.Conn, messages, size int) {
	_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(conn, int64(messages)*int64(size)), make([]byte, 1<<16))
}

// What does a Send cost its caller when subscribers do not keep up?
func BenchmarkSendAtHighWaterMark(b *testing.B) {
	p := listen(b, Options{HWM: 1})
	for range 10 {
		subscribed(b, p, "m")
	}
	m := []byte(strings.Repeat("m", 1<<20)) // fills the system's buffers
	for p.Stats().Dropped < 1000 {
		if err := p.Send(m); err != nil {
			b.Fatal(err)
		}
	}
	m = m[:sampleSize]
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Send(m); err != nil {
			b.Fatal(err)
		}
	}
}
