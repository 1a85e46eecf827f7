package zmtp

import (
	"fmt"
	"strings"
	"testing"
)

func TestMessagesReachThoseWhoAskedForTheirBeginning(t *testing.T) {
	tests := []struct {
		name string
		sent string // by the subscriber
		want string // the messages it gets of: "", "a", "ab", "abc", "b", space-separated
	}{
		{"nothing asked, nothing gets through", "", ""},
		{"everything", command("SUBSCRIBE", ""), "- a ab abc b"},
		{"a beginning", command("SUBSCRIBE", "ab"), "ab abc"},
		{"two that overlap, each message once", command("SUBSCRIBE", "a") + command("SUBSCRIBE", "ab"), "a ab abc"},
		{"one longer than messages", command("SUBSCRIBE", "abcd"), ""},
		{"by message", message("\x01a"), "a ab abc"},
		{"by message, everything", message("\x01"), "- a ab abc b"},
		{"cancelled by message", message("\x01a") + message("\x01b") + message("\x00a"), "b"},
		{"made by message, cancelled by command", message("\x01a") + message("\x01b") + command("CANCEL", "a"), "b"},
		{"made twice, cancelled once", command("SUBSCRIBE", "a") + command("SUBSCRIBE", "a") + command("CANCEL", "a"), "a ab abc"},
		{"made twice, cancelled twice", strings.Repeat(command("SUBSCRIBE", "a"), 2) + strings.Repeat(command("CANCEL", "a"), 2), ""},
		{"cancelled before it was made", command("CANCEL", "a") + command("SUBSCRIBE", "a"), "a ab abc"},
		{"cancelling another leaves it", command("SUBSCRIBE", "a") + command("CANCEL", "ab") + command("CANCEL", ""), "a ab abc"},
		{"messages of the application", message("") + message("\x02a") + message("a"), ""},
		{"messages of several frames", encode(1, "\x01a") + encode(1, "\x01a") + message("\x01a") + message("\x01b"), "b"},
		{"commands for others", command("JOIN", "a") + command("SUBSCRIBEa", "") + command("subscribe", "a"), ""},
		{"long frames for short subscriptions", "\x06\x00\x00\x00\x00\x00\x00\x00\x0b\x09SUBSCRIBEa" + "\x02\x00\x00\x00\x00\x00\x00\x00\x02\x01b", "a ab abc b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := listen(t, Options{})
			r := dial(t, p)
			r.shakeHands()
			r.write(tt.sent + command("SUBSCRIBE", "last"))
			last := func() bool {
				for _, s := range *p.subscribers.Load() {
					if s.matches("last") {
						return true
					}
				}
				return false
			}
			eventually(t, "the last subscription", last)
			p.send(t, "", "a", "ab", "abc", "b", "last")
			var got []string
			for m := r.message(); m != "last"; m = r.message() {
				if m == "" {
					m = "-"
				}
				got = append(got, m)
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func (s *subscriber) matches(message string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.subscriptions.match([]byte(message))
}

func TestSubscriptionsBeyondTheLimitsEndTheConnection(t *testing.T) {
	tests := []struct {
		name    string
		allowed []string
		more    string
	}{
		{"one too many", []string{"a", "b", "c"}, command("SUBSCRIBE", "d")},
		{"an octet too many", []string{"123456789", "1"}, message("\x01a")},
		{"one alone too long", nil, command("SUBSCRIBE", "12345678901")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := listen(t, Options{MaxSubscriptions: 3, MaxSubscriptionOctets: 10})
			r := subscribed(t, p, tt.allowed...)
			for _, topic := range tt.allowed { // the same again costs nothing, and what was cancelled nothing more
				r.write(command("SUBSCRIBE", topic) + command("CANCEL", topic) + command("CANCEL", topic) + command("SUBSCRIBE", topic))
			}
			p.send(t, "1", "a")
			if len(tt.allowed) > 0 {
				r.message()
			}
			r.write(tt.more)
			r.wantClosed()
			p.wantEnd(t, ErrSubscriptions)
			if s := p.Stats(); s.Expelled != 1 || s.Joined != 1 {
				t.Errorf("Stats() = %+v, want 1 expelled", s)
			}
		})
	}
}

func TestLongestFrameIsAcceptedAndOneOctetMoreIsNot(t *testing.T) {
	p := listen(t, Options{})
	longest := strings.Repeat("x", MaxFrame-1)
	r := dial(t, p)
	r.shakeHands()
	r.write(message("\x01" + longest))
	wantSubscriptions(t, p.PUB, 1)
	p.send(t, longest+"1")
	r.wantMessages(longest + "1")
	r.write(message("\x01" + longest + "x"))
	r.wantClosed()
	p.wantEnd(t, ErrFrameSize)
}

func TestMalformedTrafficEndsTheConnection(t *testing.T) {
	for name, octets := range map[string]string{
		"reserved flags":          "\x08\x00",
		"a command with more":     "\x05\x05\x04PING",
		"an empty command":        "\x04\x00",
		"a name beyond the frame": "\x04\x02\x04P",
		"PING without TTL":        command("PING", "\x00"),
		"PING with long context":  command("PING", "\x00\x00"+strings.Repeat("c", 17)),
	} {
		t.Run(name, func(t *testing.T) {
			p := listen(t, Options{})
			r := subscribed(t, p, "")
			r.write(octets)
			r.wantClosed()
			p.wantEnd(t, ErrFrame)
			if s := p.Stats(); s.Expelled != 1 {
				t.Errorf("Stats() = %+v, want 1 expelled", s)
			}
		})
	}
}

func TestMessagesOfAnyLengthArriveInOrder(t *testing.T) {
	p := listen(t, Options{HWM: 10000})
	r := subscribed(t, p, "")
	var want []string
	for _, n := range []int{0, 1, 155, 254, 255, 256, 257, 65535, 65536, 1 << 20, 10} {
		want = append(want, strings.Repeat("m", n))
	}
	for i := range 3 * maxBatch {
		want = append(want, fmt.Sprint("message ", i))
	}
	buffer := make([]byte, 0, 1<<20)
	for _, m := range want {
		buffer = append(buffer[:0], m...)
		if err := p.Send(buffer); err != nil {
			t.Fatal(err)
		}
		clear(buffer) // the message is the caller's again
	}
	r.wantMessages(want...)
	eventually(t, "all counted as sent", func() bool { return p.Stats().Sent == uint64(len(want)) })
	if s := p.Stats(); s.Queued != 0 || s.Dropped != 0 || s.Messages != uint64(len(want)) {
		t.Errorf("Stats() = %+v", s)
	}
}
