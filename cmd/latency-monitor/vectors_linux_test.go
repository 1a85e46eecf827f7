package main_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// vector is something the reference client sent, or a request to the reference server with what it
// answered.
type vector struct {
	Case      string
	Transport string
	Sender    string
	Hex       string
	ReplyHex  string `json:"reply_hex"` // "": no reply
}

func (v vector) name() string { return v.Transport + "/" + v.Case }

func (v vector) fromClient() bool { return v.Sender == "reference client" }

func (v vector) sent(t *testing.T) string { return unhex(t, v.Hex) }

// reply is the reference server's reply, "" if there was none. The recording has no replies to what
// the reference client sent: there it is the request with the server's name.
func (v vector) reply(t *testing.T) string {
	t.Helper()
	if !v.fromClient() {
		return unhex(t, v.ReplyHex)
	}
	fields := strings.Split(v.sent(t), "|")
	fields[1] = serverName
	return strings.Join(fields, "|")
}

// The names in the recording.
const (
	clientName = "node-a"
	serverName = "node-b"
)

// vectors are the recorded ones that the function selects.
func vectors(t *testing.T, selects func(v vector) bool) []vector {
	t.Helper()
	text, err := os.ReadFile("../../internal/textproto/testdata/text-protocol.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded struct{ Vectors []vector }
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	var selected []vector
	for _, v := range recorded.Vectors {
		if selects(v) {
			selected = append(selected, v)
		}
	}
	if len(selected) == 0 {
		t.Fatal("no vectors")
	}
	return selected
}

func unhex(t *testing.T, s string) string {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// anyTime replaces a message's timestamp by T, if it is one of our time: 19 digits.
func anyTime(message string) string {
	fields := strings.Split(message, "|")
	if len(fields) == 5 && len(fields[2]) == len("1795375380625056238") && strings.Trim(fields[2], "0123456789") == "" {
		fields[2] = "T"
	}
	return strings.Join(fields, "|")
}
