package textproto

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The wanted values are what CPython 3.11 gives for str(tags).
func TestAppendTagsWritesWhatPythonWrites(t *testing.T) {
	tests := []struct {
		name string
		in   []string
		want string
	}{
		{"no tags", nil, `[]`},
		{"an empty tag", []string{""}, `['']`},
		{"two tags", []string{"isp:local", "location:laptop"}, `['isp:local', 'location:laptop']`},
		{"single quote", []string{"it's"}, `["it's"]`},
		{"double quote", []string{`a"b`}, `['a"b']`},
		{"both quotes", []string{`it's "q"`}, `['it\'s "q"']`},
		{"both ways of quoting in one list", []string{"it's", "b"}, `["it's", 'b']`},
		{"backslash", []string{`a\b`}, `['a\\b']`},
		{"backslash beside a single quote", []string{`\'`}, `["\\'"]`},
		{"line ends and tab", []string{"\r\n\t"}, `['\r\n\t']`},
		{"other control characters", []string{"\x00\a\b\v\f\x1b\x7f"}, `['\x00\x07\x08\x0b\x0c\x1b\x7f']`},
		{"Latin 1", []string{"Zürich\u0080\u00a0\u00ad"}, `['Zürich\x80\xa0\xad']`},
		{"spaces beyond ASCII", []string{"\u2028\u3000\u200b"}, `['\u2028\u3000\u200b']`},
		{"private use and unassigned", []string{"\ue000\U000e0001\U0010ffff"},
			`['\ue000\U000e0001\U0010ffff']`},
		{"beyond the basic plane", []string{"😀𐍈"}, `['😀𐍈']`},
		{"combining mark", []string{"e\u0301"}, "['e\u0301']"},
		{"not UTF-8", []string{"a\xffb"}, "['a\ufffdb']"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(AppendTags([]byte("|"), tt.in)); got != "|"+tt.want {
				t.Errorf("AppendTags(%q) = %s, want %s", tt.in, got, "|"+tt.want)
			}
		})
	}
}

func TestParseTagsReadsPythonLists(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want []string
	}{
		{"empty field", ``, nil},
		{"empty list", `[]`, nil},
		{"empty list with space", " [\t\n] ", nil},
		{"one", `['a']`, []string{"a"}},
		{"two", `['isp:local', 'location:laptop']`, []string{"isp:local", "location:laptop"}},
		{"double quotes", `["isp:local"]`, []string{"isp:local"}},
		{"double quotes with a single quote", `["it's"]`, []string{"it's"}},
		{"quotes within their own", `['it\'s', "a\"b"]`, []string{"it's", `a"b`}},
		{"needless escape", `['a\"b', "a\'b"]`, []string{`a"b`, `a'b`}},
		{"no space, much space", "['a','b'\t,\r\n\f 'c']", []string{"a", "b", "c"}},
		{"comma after the last", `['a', ]`, []string{"a"}},
		{"brackets, commas and spaces within", `['[a, b] ']`, []string{"[a, b] "}},
		{"letter escapes", `['\a\b\f\n\r\t\v\\']`, []string{"\a\b\f\n\r\t\v\\"}},
		{"hex escapes", `['\x41\xfC\u00fc\u20AC\U0001f600']`, []string{"Aüü€😀"}},
		{"hex escape followed by a digit", `['\x410']`, []string{"A0"}},
		{"octal escapes", `['\0\101\1018\7a\777']`, []string{"\x00AA8\x07a\u01ff"}},
		{"UTF-8 as it is", `['Zürich 😀']`, []string{"Zürich 😀"}},
		{"replacement character as it is", "['\ufffd']", []string{"\ufffd"}},
		{"control characters as they are", "['\x01\t\x7f']", []string{"\x01\t\x7f"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseTags([]byte(tt.in))
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("ParseTags(%q) = %q, %v, want %q", tt.in, got, err, tt.want)
			}
			if !ValidTags([]byte(tt.in)) {
				t.Errorf("ValidTags(%q) = false", tt.in)
			}
		})
	}
}

func TestParseTagsRefuses(t *testing.T) {
	tests := []struct {
		name string
		in   string
	}{
		{"only space", ` `},
		{"no list", `'a'`},
		{"not closed", `['a'`},
		{"not closed after a comma", `['a',`},
		{"not opened", `'a']`},
		{"text after the list", `['a'] x`},
		{"text before the list", `x['a']`},
		{"only a comma", `[,]`},
		{"two commas", `['a',,'b']`},
		{"no comma", `['a' 'b']`},
		{"a number", `[1]`},
		{"a word", `[a]`},
		{"a list within", `[['a']]`},
		{"a tuple", `('a',)`},
		{"a prefix", `[r'a']`},
		{"three quotes", `['''a''']`},
		{"string not closed", `['a]`},
		{"string closed by the other quote", `['a"]`},
		{"quote escaped away", `['a\']`},
		{"backslash at the end", `['a\`},
		{"unknown escape", `['\d']`},
		{"named character", `['\N{BULLET}']`},
		{"short hex escape", `['\x4']`},
		{"hex escape without digits", `['\x']`},
		{"hex escape with other letters", `['\x4g']`},
		{"short unicode escape", `['\u20a']`},
		{"escaped surrogate", `['\ud83d\ude00']`},
		{"escape beyond Unicode", `['\U00110000']`},
		{"escape beyond 31 bits", `['\Uffffffff']`},
		{"escaped line end", "['a\\\nb']"},
		{"line feed within a string", "['a\nb']"},
		{"carriage return within a string", "['a\rb']"},
		{"NUL within a string", "['a\x00b']"},
		{"not UTF-8", "['a\xff']"},
		{"surrogate in UTF-8", "['\xed\xa0\xbd']"},
		{"too long", "['" + strings.Repeat("a", MaxTags-3) + "']"},
		{"too long with space", "[" + strings.Repeat(" ", MaxTags-1) + "]"},
		{"too long with space before", strings.Repeat(" ", MaxTags-1) + "[]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := ParseTags([]byte(tt.in)); err != ErrTags {
				t.Errorf("ParseTags(%q) = %q, %v, want %v", tt.in, got, err, ErrTags)
			}
			if ValidTags([]byte(tt.in)) {
				t.Errorf("ValidTags(%q) = true", tt.in)
			}
		})
	}
}

func TestTagsOfTheLongestFieldAreRead(t *testing.T) {
	in := "['" + strings.Repeat("a", MaxTags-4) + "']"
	if !ValidTags([]byte(in)) {
		t.Errorf("ValidTags of %d octets = false", len(in))
	}
}

func TestEveryCharacterSurvivesAsATag(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		field := AppendTags(nil, []string{string(r)})
		tags, err := ParseTags(field)
		if err != nil || len(tags) != 1 || tags[0] != string(r) {
			t.Fatalf("ParseTags(%q) = %q, %v, want %q", field, tags, err, string(r))
		}
	}
}

// What ParseTags reads, ValidTags accepts; and it reads the same again from what AppendTags makes
// of it.
func FuzzParseTags(f *testing.F) {
	for _, v := range vectors(f) {
		if m, err := Decode(v.sent); err == nil {
			f.Add(m.Tags)
		}
	}
	for _, s := range []string{
		`["it's", 'a\"b', ]`, `['\0\101\777\x41\u00fc\U0001f600\a\b\f\n\r\t\v\\']`, `['\ud83d']`,
		` [ ] `, `['a' 'b']`, `['''a''']`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tags, err := ParseTags(b)
		if valid := ValidTags(b); valid != (err == nil) {
			t.Errorf("ValidTags(%q) = %v, ParseTags error %v", b, valid, err)
		}
		if err != nil {
			return
		}
		checkTagsRoundTrip(t, tags)
	})
}

// Tags divided by line feeds, because fuzzing knows no lists of strings.
func FuzzAppendTags(f *testing.F) {
	for _, s := range []string{"", "a", "isp:local\nlocation:laptop", `it's "q"` + "\nZürich\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		tags := strings.Split(s, "\n")
		checkTagsRoundTrip(t, tags)
		checkTagsRoundTrip(t, []string{s})
	})
}

func checkTagsRoundTrip(t *testing.T, tags []string) {
	t.Helper()
	field := AppendTags(nil, tags)
	if len(field) > MaxTags {
		return
	}
	again, err := ParseTags(field)
	if err != nil || !slices.Equal(again, tags) {
		t.Errorf("ParseTags(%q) = %q, %v, want %q", field, again, err, tags)
	}
}
