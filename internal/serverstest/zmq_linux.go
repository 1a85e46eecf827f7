package serverstest

import (
	_ "embed" // for the subscriber
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

//go:embed testdata/zmq-subscriber.py
var zmqSubscriber []byte

// ZMQOptions says what a subscriber does.
type ZMQOptions struct {
	Addr   string        // of the publisher, host:port
	Prefix string        // of the messages that it wants; "" is all
	HWM    int           // how many messages libzmq queues for it; 0 is libzmq's default, 1000
	Pause  time.Duration // after each message; a subscriber that is slow
}

// Subscriber is a libzmq SUB socket in a process of its own, of which Addr is "". It connects by itself
// when the publisher is there, again and again.
type Subscriber struct{ *Server }

// ZMQSubscriber starts a subscriber. It does not wait for the publisher.
func ZMQSubscriber(t testing.TB, options ZMQOptions) *Subscriber {
	t.Helper()
	python := ZMQPython(t)
	s := newServer(t, "ZMQ subscriber")
	script := filepath.Join(s.Dir, "subscriber.py")
	if err := os.WriteFile(script, zmqSubscriber, 0o600); err != nil {
		t.Fatal(err)
	}
	hwm := options.HWM
	if hwm == 0 {
		hwm = 1000
	}
	s.args = []string{
		python, script, s.Dir, options.Addr, options.Prefix, strconv.Itoa(hwm),
		strconv.FormatFloat(options.Pause.Seconds(), 'f', -1, 64),
	}
	s.probe = func() error {
		_, err := os.Stat(filepath.Join(s.Dir, fmt.Sprintf("subscribed-%d", s.process.cmd.Process.Pid)))
		return err
	}
	s.launch()
	return &Subscriber{s}
}

// ZMQPython returns the path of a Python 3 that can import zmq, for a test that needs another kind of
// peer. It skips the test if there is none.
func ZMQPython(t testing.TB) string {
	t.Helper()
	python, err := here().pythonZMQ()
	if err != nil {
		missing(t, err)
	}
	return python
}

// Messages returns what was received so far, over restarts, each message as its frames. It may be
// called from any goroutine.
func (s *Subscriber) Messages() ([][]string, error) {
	content, err := os.ReadFile(filepath.Join(s.Dir, "messages.jsonl"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var messages [][]string
	for line := range strings.Lines(string(content)) {
		if !strings.HasSuffix(line, "\n") {
			break // being written
		}
		var frames []string
		if err := json.Unmarshal([]byte(line), &frames); err != nil {
			return nil, err
		}
		messages = append(messages, frames)
	}
	return messages, nil
}
