package textproto

import (
	"bytes"
	"strings"
	"testing"
)

func TestReplyIsNoLongerThanARequestWithPadding(t *testing.T) {
	const at = 1795375380625056238
	tests := []struct {
		name      string
		request   string
		responder string
		want      string
	}{
		{"name of the same length", "7|host-a|1795375380000000000|[]|000", "host-b",
			"7|host-b|1795375380625056238|[]|000"},
		{"shorter name, padding as it is", "7|host-a|1795375380000000000|[]|000", "b",
			"7|b|1795375380625056238|[]|000"},
		{"longer name, padding cut from its end", "100|a|1795375380000000000|['x']|abcdef", "host",
			"100|host|1795375380625056238|['x']|abc"},
		{"longer name, all padding cut", "0|a|1795375380000000000|[]|abc", "host",
			"0|host|1795375380625056238|[]|"},
		{"longer name, not enough padding", "0|a|1795375380000000000|[]|00", "host-b",
			"0|host-b|1795375380625056238|[]|"},
		{"longer name, no padding", "0|a|1795375380000000000||", "host-b",
			"0|host-b|1795375380625056238||"},
		{"longer timestamp, padding cut", "0|a|1||" + strings.Repeat("0", 20), "b",
			"0|b|1795375380625056238||00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := mustDecode(t, []byte(tt.request))
			got := string(AppendReply([]byte("before"), m, tt.responder, at))
			if want := "before" + tt.want; got != want {
				t.Errorf("AppendReply(%q) = %q, want %q", tt.request, got, want)
			}
		})
	}
}

func TestStampQueryIsAnsweredInItsPlace(t *testing.T) {
	const at = 1795375380625056238
	tests := []struct {
		name      string
		request   string
		responder string
		want      string
	}{
		{"query and padding", "7|host-a|1795375380000000000|[]|<stamp?>000", "host-b",
			"7|host-b|1795375380625056238|[]|<stamp!>000"},
		{"longer name, padding behind the query cut", "7|a|1795375380000000000|[]|<stamp?>000000", "host",
			"7|host|1795375380625056238|[]|<stamp!>000"},
		{"longer name, only the answer is left", "7|a|1795375380000000000|[]|<stamp?>00", "host",
			"7|host|1795375380625056238|[]|<stamp!>"},
		{"longer name, no padding to cut", "7|a|1795375380000000000|[]|<stamp?>", "host",
			"7|host|1795375380625056238|[]|<stamp!>"},
		{"the query is not at the start", "7|a|1795375380000000000|[]|0<stamp?>", "b",
			"7|b|1795375380625056238|[]|0<stamp?>"},
		{"the query is cut", "7|a|1795375380000000000|[]|<stamp?", "b", "7|b|1795375380625056238|[]|<stamp?"},
		{"an answer is no query", "7|a|1795375380000000000|[]|<stamp!>", "b", "7|b|1795375380625056238|[]|<stamp!>"},
		{"no query", "7|a|1795375380000000000|[]|00000000", "b", "7|b|1795375380625056238|[]|00000000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := mustDecode(t, []byte(tt.request))
			got := string(AppendStampReply([]byte("before"), m, tt.responder, at))
			if want := "before" + tt.want; got != want {
				t.Errorf("AppendStampReply(%q) = %q, want %q", tt.request, got, want)
			}
		})
	}
}

func FuzzAppendReply(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.sent, "node-b", int64(1795375380625056238))
	}
	f.Fuzz(func(t *testing.T, b []byte, name string, at int64) {
		request, err := Decode(b)
		if err != nil || at <= 0 || !validName([]byte(name)) || strings.Contains(name, "|") {
			return
		}
		octets := AppendReply(nil, request, name, at)
		reply := mustDecode(t, octets)
		want := header{request.Seq, name, at, string(request.Tags)}
		if got := headerOf(reply); got != want {
			t.Errorf("reply to %q = %v, want %v", b, got, want)
		}
		if !strings.HasPrefix(string(request.Padding), string(reply.Padding)) {
			t.Errorf("reply to %q has padding %q", b, reply.Padding)
		}
		if len(octets) > len(b) && len(reply.Padding) > 0 {
			t.Errorf("reply to %q is longer and has padding left: %q", b, octets)
		}
		stamp := AppendStampReply(nil, request, name, at)
		if !request.AsksStamp() && !bytes.Equal(stamp, octets) {
			t.Errorf("reply to %q, which does not ask for STAMP: %q, want %q", b, stamp, octets)
		}
		if m := mustDecode(t, stamp); request.AsksStamp() && !bytes.HasPrefix(m.Padding, []byte(StampAnswer)) {
			t.Errorf("reply to %q: %q, want %s in it", b, stamp, StampAnswer)
		}
	})
}
