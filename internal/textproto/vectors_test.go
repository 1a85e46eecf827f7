package textproto

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// vector is something the reference client sent, or a request to the reference server with what
// it answered.
type vector struct {
	name      string
	transport string
	client    bool   // sent by the reference client
	sent      []byte // what was sent
	reply     []byte // nil: no reply
}

func vectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/text-protocol.json")
	if err != nil {
		t.Fatal(err)
	}
	var raw struct {
		Vectors []struct {
			Case      string
			Transport string
			Sender    string
			Hex       string
			ReplyHex  string `json:"reply_hex"`
		}
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		t.Fatal(err)
	}
	var vs []vector
	for _, r := range raw.Vectors {
		v := vector{
			name:      r.Transport + " " + r.Case,
			transport: r.Transport,
			client:    r.Sender == "reference client",
			sent:      unhex(t, r.Hex),
		}
		if r.ReplyHex != "" {
			v.reply = unhex(t, r.ReplyHex)
		}
		vs = append(vs, v)
	}
	if len(vs) == 0 {
		t.Fatal("no vectors")
	}
	return vs
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// clientSizes are the sizes the reference client was configured with, by case.
var clientSizes = map[string]int{
	"default":            1470,
	"size200-tags":       200,
	"size1-nopad":        1,
	"tag-quotes-unicode": 300,
}

func TestTemplateMakesTheReferenceClientsMessages(t *testing.T) {
	for _, v := range vectors(t) {
		if !v.client {
			continue
		}
		m := mustDecode(t, v.sent)
		tags, err := ParseTags(m.Tags)
		if err != nil {
			t.Fatalf("%s: ParseTags(%q): %v", v.name, m.Tags, err)
		}
		size, ok := clientSizes[v.name[len(v.transport)+1:]]
		if !ok {
			t.Fatalf("%s: the configured size is not known", v.name)
		}
		tmpl := NewTemplate(string(m.Name), AppendTags(nil, tags), size)
		if got := tmpl.Message(m.Seq, m.Timestamp); string(got) != string(v.sent) {
			t.Errorf("%s: Message = %q, want %q", v.name, got, v.sent)
		}
	}
}

// For a timestamp that is no number the reference answers with a SEQ of its own, over UDP; we drop
// the message.
func TestReplyIsTheReferenceServersReply(t *testing.T) {
	for _, v := range vectors(t) {
		if v.client || v.reply == nil || v.name == "udp bad-timestamp" {
			continue
		}
		request, reply := mustDecode(t, v.sent), mustDecode(t, v.reply)
		got := AppendReply(nil, request, "node-b", reply.Timestamp)
		if string(got) != string(v.reply) {
			t.Errorf("%s: AppendReply(%q) = %q, want %q", v.name, v.sent, got, v.reply)
		}
	}
}

func TestDecodeRefusesWhatTheReferenceServerDoesNotAnswer(t *testing.T) {
	want := map[string]error{
		"udp bad-timestamp": ErrTimestamp,
		"tcp bad-timestamp": ErrTimestamp,
		"udp four-fields":   ErrFields,
		"tcp four-fields":   ErrFields,
		"udp six-fields":    ErrFields,
		"tcp six-fields":    ErrFields,
		"udp binary":        ErrFields,
		"tcp binary":        ErrFields,
	}
	for _, v := range vectors(t) {
		if _, err := Decode(v.sent); err != want[v.name] {
			t.Errorf("%s: Decode(%q) error = %v, want %v", v.name, v.sent, err, want[v.name])
		}
		if v.name == "udp bad-timestamp" {
			if _, err := Decode(v.reply); err != ErrSeq {
				t.Errorf("%s: Decode(%q) error = %v, want %v", v.name, v.reply, err, ErrSeq)
			}
		}
	}
}

func TestVectorsHaveValidTags(t *testing.T) {
	for _, v := range vectors(t) {
		m, err := Decode(v.sent)
		if err != nil {
			continue
		}
		if !ValidTags(m.Tags) {
			t.Errorf("%s: ValidTags(%q) = false", v.name, m.Tags)
		}
	}
}

func TestScannerReadsTheReferenceClientsStream(t *testing.T) {
	var stream []byte
	var want []header
	for _, v := range vectors(t) {
		if v.client && v.transport == "tcp" {
			stream = append(stream, v.sent...)
			want = append(want, headerOf(mustDecode(t, v.sent)))
		}
	}
	for chunk := 1; chunk <= 1500; chunk++ {
		got := scan(t, NewScanner(1470), stream, everyOctets(chunk))
		checkTranscript(t, got, transcript{headers: want})
	}
}

func mustDecode(t testing.TB, b []byte) Message {
	t.Helper()
	m, err := Decode(b)
	if err != nil {
		t.Fatalf("Decode(%q): %v", b, err)
	}
	return m
}
