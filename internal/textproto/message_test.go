package textproto

import (
	"math"
	"strings"
	"testing"
)

func TestDecodeReturnsTheFields(t *testing.T) {
	longName := strings.Repeat("n", MaxName)
	longTags := strings.Repeat("t", MaxTags)
	tests := []struct {
		name    string
		in      string
		want    header
		padding string
	}{
		{"smallest", "0|a|1||", header{0, "a", 1, ""}, ""},
		{"highest sequence number", "100|a|1|[]|", header{100, "a", 1, "[]"}, ""},
		{"highest timestamp", "1|a|9223372036854775807|[]|", header{1, "a", math.MaxInt64, "[]"}, ""},
		{"padding of zeros", "2|a|5|[]|000", header{2, "a", 5, "[]"}, "000"},
		{"padding of anything", "2|a|5|[]|\xff<stamp?>", header{2, "a", 5, "[]"}, "\xff<stamp?>"},
		{"name beyond ASCII", "3|Zürich 1|5||", header{3, "Zürich 1", 5, ""}, ""},
		{"name and tags at their limits", "4|" + longName + "|5|" + longTags + "|",
			header{4, longName, 5, longTags}, ""},
		{"tags that are no list", "5|a|5|x|", header{5, "a", 5, "x"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Decode([]byte(tt.in))
			if err != nil {
				t.Fatalf("Decode(%q): %v", tt.in, err)
			}
			if got := headerOf(m); got != tt.want || string(m.Padding) != tt.padding {
				t.Errorf("Decode(%q) = %v, padding %q, want %v, padding %q",
					tt.in, got, m.Padding, tt.want, tt.padding)
			}
			if m.size() != len(tt.in) {
				t.Errorf("size() = %d, want %d", m.size(), len(tt.in))
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want error
	}{
		{"nothing", "", ErrFields},
		{"three bars", "1|a|1|", ErrFields},
		{"five bars", "1|a|1|[]||", ErrFields},
		{"a bar at the end of the padding", "1|a|1|[]|000|", ErrFields},
		{"no sequence number", "|a|1|[]|", ErrSeq},
		{"sequence number with a leading zero", "01|a|1|[]|", ErrSeq},
		{"sequence number with a sign", "+1|a|1|[]|", ErrSeq},
		{"negative sequence number", "-1|a|1|[]|", ErrSeq},
		{"sequence number with a space", " 1|a|1|[]|", ErrSeq},
		{"sequence number beyond 100", "101|a|1|[]|", ErrSeq},
		{"sequence number of four digits", "1000|a|1|[]|", ErrSeq},
		{"sequence number in other digits", "٣|a|1|[]|", ErrSeq},
		{"no name", "1||1|[]|", ErrName},
		{"name too long", "1|" + strings.Repeat("n", MaxName+1) + "|1|[]|", ErrName},
		{"name that is not UTF-8", "1|a\xff|1|[]|", ErrName},
		{"name with half a character", "1|a\xc3|1|[]|", ErrName},
		{"name with a line feed", "1|a\n|1|[]|", ErrName},
		{"name with a delete character", "1|a\x7f|1|[]|", ErrName},
		{"name with a control character beyond ASCII", "1|a\u0085|1|[]|", ErrName},
		{"no timestamp", "1|a||[]|", ErrTimestamp},
		{"timestamp zero", "1|a|0|[]|", ErrTimestamp},
		{"negative timestamp", "1|a|-1|[]|", ErrTimestamp},
		{"timestamp with a sign", "1|a|+1|[]|", ErrTimestamp},
		{"timestamp with a space", "1|a|1 |[]|", ErrTimestamp},
		{"timestamp with a leading zero", "1|a|01|[]|", ErrTimestamp},
		{"timestamp with a fraction", "1|a|1.5|[]|", ErrTimestamp},
		{"timestamp with an underscore", "1|a|1_000|[]|", ErrTimestamp},
		{"timestamp beyond int64", "1|a|9223372036854775808|[]|", ErrTimestamp},
		{"timestamp of 20 digits", "1|a|10000000000000000000|[]|", ErrTimestamp},
		{"tags too long", "1|a|1|" + strings.Repeat("t", MaxTags+1) + "|", ErrTags},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if m, err := Decode([]byte(tt.in)); err != tt.want {
				t.Errorf("Decode(%q) = %v, error %v, want error %v", tt.in, headerOf(m), err, tt.want)
			}
		})
	}
}

// A message that decodes is written by appendHeader as it was: there is one form only.
func FuzzDecode(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.sent)
		f.Add(v.reply)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		again := appendHeader(nil, m.Seq, string(m.Name), m.Timestamp, m.Tags)
		again = append(again, m.Padding...)
		if string(again) != string(b) {
			t.Errorf("Decode(%q) encodes to %q", b, again)
		}
		if m.size() != len(b) {
			t.Errorf("size() = %d, want %d", m.size(), len(b))
		}
		checkHeader(t, m)
	})
}

// header is what a message says besides its padding, in a form that outlives the buffer.
type header struct {
	seq       int
	name      string
	timestamp int64
	tags      string
}

func headerOf(m Message) header {
	return header{m.Seq, string(m.Name), m.Timestamp, string(m.Tags)}
}

func checkHeader(t *testing.T, m Message) {
	t.Helper()
	if m.Seq < 0 || m.Seq >= Numbers {
		t.Errorf("Seq = %d, want 0 to 100", m.Seq)
	}
	if len(m.Name) == 0 || len(m.Name) > MaxName {
		t.Errorf("len(Name) = %d, want 1 to %d", len(m.Name), MaxName)
	}
	if m.Timestamp <= 0 {
		t.Errorf("Timestamp = %d, want more than 0", m.Timestamp)
	}
	if len(m.Tags) > MaxTags {
		t.Errorf("len(Tags) = %d, want at most %d", len(m.Tags), MaxTags)
	}
}

func TestOnlyWhatBeginsWithADigitIsPossible(t *testing.T) {
	for in, want := range map[string]bool{"": false, "0|a|1||": true, "9": true, "/": false, ":": false, "\x00|a|1||": false, "|": false} {
		if got := Possible([]byte(in)); got != want {
			t.Errorf("Possible(%q) = %v, want %v", in, got, want)
		}
		if _, err := Decode([]byte(in)); err == nil && !want {
			t.Errorf("Decode(%q) takes it", in)
		}
	}
}
