package textproto

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// transcript is all that a scanner says about a stream.
type transcript struct {
	headers []header
	err     error
}

// scan feeds the stream in pieces, whose lengths next gives, and checks the scanner's promises on
// the way.
func scan(t *testing.T, s *Scanner, stream []byte, next func() int) (got transcript) {
	t.Helper()
	for len(stream) > 0 {
		free := s.Free()
		if len(free) == 0 {
			t.Fatalf("no room with %d octets to go", len(stream))
		}
		n := copy(free[:min(len(free), next())], stream)
		stream = stream[n:]
		s.Fed(n)
		var views []Message
		for range n + 1 { // so often at most can octets complete a message
			m, ok, err := s.Next()
			if err != nil {
				got.err = err
			}
			if !ok {
				break
			}
			checkHeader(t, m)
			if m.size() > s.limit || strings.Trim(string(m.Padding), "0") != "" {
				t.Fatalf("message of %d octets with padding %q, limit %d", m.size(), m.Padding, s.limit)
			}
			views = append(views, m)
		}
		if _, ok, err := s.Next(); ok || err != got.err {
			t.Fatalf("Next after the last message = %v, %v, want false, %v", ok, err, got.err)
		}
		for _, m := range views { // all valid until the next Free
			got.headers = append(got.headers, headerOf(m))
		}
		if got.err != nil {
			return got
		}
	}
	return got
}

func everyOctets(n int) func() int { return func() int { return n } }

// atOnce is for streams that fit the scanner.
func atOnce() int { return 1 << 30 }

func checkTranscript(t *testing.T, got, want transcript) {
	t.Helper()
	if !slices.Equal(got.headers, want.headers) || got.err != want.err {
		t.Fatalf("scanned %v, error %v, want %v, error %v",
			got.headers, got.err, want.headers, want.err)
	}
}

func TestScannerFindsWhereTheNextMessageBegins(t *testing.T) {
	h := func(seqs ...int) (hs []header) {
		for _, seq := range seqs {
			hs = append(hs, header{seq, "a", 1, "[]"})
		}
		return hs
	}
	const rest = "|a|1|[]|"
	tests := []struct {
		name   string
		stream string
		want   transcript
	}{
		{"one", "7" + rest, transcript{h(7), nil}},
		{"one with padding", "7" + rest + "000", transcript{h(7), nil}},
		{"two without padding", "7" + rest + "8" + rest, transcript{h(7, 8), nil}},
		{"zero without padding", "7" + rest + "0" + rest, transcript{h(7, 0), nil}},
		{"seven after padding", "6" + rest + "0007" + rest, transcript{h(6, 7), nil}},
		{"zero after padding", "100" + rest + "0000" + rest, transcript{h(100, 0), nil}},
		{"ten after padding", "9" + rest + "00010" + rest, transcript{h(9, 10), nil}},
		{"hundred after padding", "99" + rest + "000100" + rest, transcript{h(99, 100), nil}},
		{"hundred, then zero, without padding", "100" + rest + "0" + rest, transcript{h(100, 0), nil}},
		{"zeros first", "0000" + "7" + rest, transcript{h(7), nil}},
		{"zeros only", "0000", transcript{}},
		{"nothing after a header but part of the next", "7" + rest + "8|a|1", transcript{h(7), nil}},
		{"padding that is not zeros", "5" + rest + "S1", transcript{h(5), ErrSeq}},
		{"five bars", "5" + rest + "|", transcript{h(5), ErrSeq}},
		{"another protocol", "GET / HTTP/1.1\r\n", transcript{nil, ErrSeq}},
		{"sequence number without end", "7777", transcript{nil, ErrSeq}},
		{"sequence number beyond 100", "101" + rest, transcript{nil, ErrSeq}},
		{"good message, then a bad one", "7" + rest + "08|b|x|[]|" + "9" + rest,
			transcript{h(7), ErrTimestamp}},
		{"name without end", "7|" + strings.Repeat("n", MaxName+1), transcript{nil, ErrName}},
		{"bad sequence number before a name too long", "7x|" + strings.Repeat("n", MaxName+1) + "|1||",
			transcript{nil, ErrName}},
		{"timestamp without end", "7|a|" + strings.Repeat("1", 20), transcript{nil, ErrTimestamp}},
		{"tags without end", "7|a|1|" + strings.Repeat("t", MaxTags+1), transcript{nil, ErrTags}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stream := []byte(tt.stream)
			checkTranscript(t, scan(t, NewScanner(5000), stream, atOnce), tt.want)
			checkTranscript(t, scan(t, NewScanner(5000), stream, everyOctets(1)), tt.want)
			for first := 1; first < len(stream); first++ {
				pieces := []int{first, atOnce()}
				next := func() int {
					n := pieces[0]
					pieces = pieces[1:]
					return n
				}
				checkTranscript(t, scan(t, NewScanner(5000), stream, next), tt.want)
			}
		})
	}
}

func TestScannerReturnsThePaddingAtHand(t *testing.T) {
	s := NewScanner(1470)
	feed := func(text string) { s.Fed(copy(s.Free(), text)) }
	expect := func(seq int, padding string) {
		t.Helper()
		m, ok, err := s.Next()
		if !ok || m.Seq != seq || string(m.Padding) != padding {
			t.Errorf("Next() = %d with padding %q, %v, %v, want %d with padding %q",
				m.Seq, m.Padding, ok, err, seq, padding)
		}
	}
	feed("1|a|1||0002|a|1||000")
	expect(1, "000")
	expect(2, "000")
	feed("000003|a|1||")
	expect(3, "")
	feed("0000")
	if _, ok, err := s.Next(); ok || err != nil {
		t.Errorf("Next() in padding = %v, %v, want false, nil", ok, err)
	}
	feed("|a|1||00")
	expect(0, "00")
}

func TestScannerCutsPaddingBeyondItsLimit(t *testing.T) {
	const limit = 20
	zeros := strings.Repeat("0", 100)
	stream := []byte("1|a|1||" + zeros + "2|a|1||" + zeros + "0|a|1||")
	want := transcript{headers: []header{{1, "a", 1, ""}, {2, "a", 1, ""}, {0, "a", 1, ""}}}
	for chunk := 1; chunk <= limit+1; chunk++ {
		checkTranscript(t, scan(t, NewScanner(limit), stream, everyOctets(chunk)), want)
	}
}

func TestScannerRefusesAHeaderBeyondItsLimit(t *testing.T) {
	const text = "100|host|1795375380625056238|['x']|"
	for limit := 1; limit <= len(text)+1; limit++ {
		want := transcript{err: ErrFields}
		if limit >= len(text) {
			want = transcript{headers: []header{{100, "host", 1795375380625056238, "['x']"}}}
		}
		for chunk := 1; chunk <= limit+1; chunk++ {
			for _, padding := range []string{"", "0", "00000"} {
				got := scan(t, NewScanner(limit), []byte(padding+text), everyOctets(chunk))
				checkTranscript(t, got, want)
			}
		}
	}
}

func TestScannerKeepsItsErrorUntilReset(t *testing.T) {
	s := NewScanner(100)
	s.Fed(copy(s.Free(), "x"))
	for range 3 {
		if _, ok, err := s.Next(); ok || err != ErrSeq {
			t.Fatalf("Next() = %v, %v, want false, %v", ok, err, ErrSeq)
		}
		s.Fed(copy(s.Free(), "7|a|1||"))
	}
	s.Reset()
	s.Fed(copy(s.Free(), "7|a|1||"))
	if m, ok, err := s.Next(); !ok || m.Seq != 7 {
		t.Errorf("Next() after Reset = %d, %v, %v, want 7", m.Seq, ok, err)
	}
}

func TestScannerRefusesToBeFedMoreThanIsFree(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Fed did not panic")
		}
	}()
	s := NewScanner(10)
	s.Fed(len(s.Free()) + 1)
}

// Any messages, cut anywhere, come out as they went in.
func TestScannerDoesNotDependOnHowTheStreamIsCut(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for round := range 2000 {
		stream, want := randomStream(rng, 1+rng.IntN(20))
		limit := max(longestHeader(want), 1+rng.IntN(1500))
		longest := 1 + rng.IntN(1<<rng.IntN(11))
		got := scan(t, NewScanner(limit), stream, func() int { return 1 + rng.IntN(longest) })
		if !slices.Equal(got.headers, want) || got.err != nil {
			t.Fatalf("seed %d, round %d: scanned %v, error %v from %q, want %v",
				seed, round, got.headers, got.err, stream, want)
		}
	}
}

func randomStream(rng *rand.Rand, messages int) (stream []byte, want []header) {
	seqs := []int{0, 1, 7, 9, 10, 11, 99, 100}
	names := []string{"a", "0", "000", "7", "host-a", "Zürich", strings.Repeat("n", MaxName)}
	tags := []string{"", "[]", "['0']", "0", "['isp:local', 'location:laptop']"}
	for range messages {
		h := header{
			seq:       seqs[rng.IntN(len(seqs))],
			name:      names[rng.IntN(len(names))],
			timestamp: 1 + rng.Int64N(1<<(1+rng.IntN(62))),
			tags:      tags[rng.IntN(len(tags))],
		}
		want = append(want, h)
		stream = appendHeader(stream, h.seq, h.name, h.timestamp, []byte(h.tags))
		if padded := rng.IntN(2) == 0; padded {
			stream = append(stream, bytes.Repeat([]byte("0"), rng.IntN(1<<rng.IntN(11)))...)
		}
	}
	return stream, want
}

func longestHeader(hs []header) int {
	longest := 0
	for _, h := range hs {
		longest = max(longest, len(appendHeader(nil, h.seq, h.name, h.timestamp, []byte(h.tags))))
	}
	return longest
}

// Whatever a stream holds, it reads the same however it is cut, its error included. A cut is given
// by cuts: the lengths of the pieces, over and over.
func FuzzScanner(f *testing.F) {
	var stream []byte
	for _, v := range vectors(f) {
		if v.transport == "tcp" {
			f.Add(v.sent, []byte{3, 200, 1}, uint16(1470))
			if v.reply != nil && !bytes.HasSuffix(v.reply, []byte("S1")) {
				stream = append(stream, v.reply...)
			}
		}
	}
	f.Add(stream, []byte{1}, uint16(300))
	f.Add([]byte("0007|a|1||00000|a|1||00010|a|1||000100|a|1||"), []byte{4, 2}, uint16(40))
	f.Add([]byte("7|a|1||0|a|1||S"), []byte{7, 1}, uint16(10))
	f.Fuzz(func(t *testing.T, stream, cuts []byte, limit uint16) {
		if limit == 0 {
			return
		}
		if len(cuts) == 0 {
			cuts = []byte{1}
		}
		i := 0
		cut := func() int {
			i++
			return max(1, int(cuts[i%len(cuts)]))
		}
		want := scan(t, NewScanner(int(limit)), stream, atOnce)
		checkTranscript(t, scan(t, NewScanner(int(limit)), stream, everyOctets(1)), want)
		checkTranscript(t, scan(t, NewScanner(int(limit)), stream, cut), want)
	})
}
