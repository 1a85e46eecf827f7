package textproto

import (
	"math"
	"strings"
	"testing"
)

const someTime int64 = 1795375380625056238

func TestTemplateMessagesDecodeToWhatWasAsked(t *testing.T) {
	tags := AppendTags(nil, []string{"isp:local", "city:Zürich"})
	for _, size := range []int{0, 1, 60, 61, 62, 63, 64, 65, 66, 200, 1470} {
		tmpl := NewTemplate("host-a", tags, size)
		for seq := range Numbers {
			at := someTime + int64(seq)
			b := tmpl.Message(seq, at)
			m := mustDecode(t, b)
			want := header{seq, "host-a", at, string(tags)}
			if got := headerOf(m); got != want {
				t.Fatalf("size %d: Message(%d, %d) = %v", size, seq, at, got)
			}
			if strings.Trim(string(m.Padding), "0") != "" {
				t.Fatalf("size %d: Message(%d, %d) has padding %q", size, seq, at, m.Padding)
			}
			if want := max(size, len(b)-len(m.Padding)); len(b) != want {
				t.Fatalf("size %d: Message(%d, %d) has %d octets, want %d", size, seq, at, len(b), want)
			}
		}
	}
}

func TestTemplateStampsTheMessageLastMade(t *testing.T) {
	tmpl := NewTemplate("a", nil, 40)
	b := tmpl.Message(42, someTime)
	for _, at := range []int64{minStamp, someTime + 1, math.MaxInt64} {
		if !tmpl.Stamp(at) {
			t.Fatalf("Stamp(%d) = false", at)
		}
		if got := mustDecode(t, b).Timestamp; got != at {
			t.Errorf("timestamp after Stamp(%d) = %d", at, got)
		}
	}
}

func TestTemplateRefusesWhatHasNoRoom(t *testing.T) {
	tests := []struct {
		name string
		seq  int
		at   int64
	}{
		{"sequence number below 0", -1, someTime},
		{"sequence number above 100", Numbers, someTime},
		{"time of 18 digits", 1, minStamp - 1},
		{"time zero", 1, 0},
		{"time before 1970", 1, math.MinInt64},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tmpl := NewTemplate("a", nil, 40)
			made := tmpl.Message(42, someTime)
			before := string(made)
			if b := tmpl.Message(tt.seq, tt.at); b != nil {
				t.Errorf("Message(%d, %d) = %q, want nil", tt.seq, tt.at, b)
			}
			if string(made) != before {
				t.Errorf("Message(%d, %d) changed %q to %q", tt.seq, tt.at, before, made)
			}
			if tt.at < minStamp && tmpl.Stamp(tt.at) {
				t.Errorf("Stamp(%d) = true", tt.at)
			}
		})
	}
}

func TestQueryTemplateHasRoomForTheQueryAndIsElseTheSame(t *testing.T) {
	for _, size := range []int{0, 1, 30, 34, 35, 36, 37, 38, 44, 200, 1470} {
		plain, asking := NewTemplate("host-a", []byte("[]"), size), NewQueryTemplate("host-a", []byte("[]"), size)
		for seq := range Numbers {
			want := mustDecode(t, plain.Message(seq, someTime))
			b := asking.Message(seq, someTime)
			got := mustDecode(t, b)
			if headerOf(got) != headerOf(want) {
				t.Fatalf("size %d: header %v, want %v", size, headerOf(got), headerOf(want))
			}
			rest, asks := strings.CutPrefix(string(got.Padding), StampQuery)
			if !asks || strings.Trim(rest, "0") != "" {
				t.Fatalf("size %d: padding %q, want %q and zeros", size, got.Padding, StampQuery)
			}
			if n := max(size, len(b)-len(got.Padding)+len(StampQuery)); len(b) != n {
				t.Fatalf("size %d: message %d has %d octets, want %d", size, seq, len(b), n)
			}
		}
	}
}
