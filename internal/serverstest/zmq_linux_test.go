package serverstest

import (
	"fmt"
	"os/exec"
	"slices"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// publisher is a ZeroMQ publisher that never tires.
const publisher = `
import sys, time, zmq
socket = zmq.Context().socket(zmq.PUB)
socket.bind("tcp://" + sys.argv[1])
while True:
    socket.send_multipart([b"no", b"0"])
    socket.send_multipart([b"yes", b"\xc2\xb5"])
    time.sleep(0.01)
`

func TestSubscriberWritesDownWhatItWants(t *testing.T) {
	t.Parallel()
	python := ZMQPython(t)
	addr := freeAddresses(t, 1)[0]
	s := ZMQSubscriber(t, ZMQOptions{Addr: addr, Prefix: "y"})
	peer, err := startProcess(exec.Command(python, "-c", publisher, addr))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.end(9, waittest.Patience()) }()

	more := func(than int) (count int) {
		eventually(t, func() error {
			messages, err := s.Messages()
			if err != nil {
				return err
			}
			for _, m := range messages {
				if want := []string{"yes", "µ"}; !slices.Equal(m, want) {
					t.Fatalf("message %q, want %q", m, want)
				}
			}
			if count = len(messages); count <= than {
				return fmt.Errorf("%d messages, want more than %d", count, than)
			}
			return nil
		})
		return count
	}
	first := more(0)
	s.Kill()
	s.Restart()
	more(first)
}
