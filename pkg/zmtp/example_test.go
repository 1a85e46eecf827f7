package zmtp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/latency-monitor/latency-monitor/pkg/zmtp"
)

// A publisher. With libzmq's Python binding a subscriber is
//
//	s = zmq.Context().socket(zmq.SUB)
//	s.connect("tcp://127.0.0.1:8002")
//	s.subscribe(b"temperature")
//	print(s.recv())
func Example() {
	pub, err := zmtp.Listen("127.0.0.1:0", zmtp.Options{
		HWM: 10000,
		OnClose: func(peer net.Addr, err error) {
			if err != nil && !errors.Is(err, io.EOF) {
				log.Printf("subscriber %v: %v", peer, err)
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := pub.Send([]byte("temperature 21.5")); err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := pub.Close(ctx); err != nil {
		log.Print(err)
	}
	s := pub.Stats()
	fmt.Println(s.Messages, "published,", s.Unmatched, "to nobody")
	// Output: 1 published, 1 to nobody
}
