package isolation

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/engine"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// roundTrip sends a body through a message.
func roundTrip[T any](t *testing.T, k kind, body T) {
	t.Helper()
	message, err := encode(k, body)
	if err != nil {
		t.Fatal(err)
	}
	gotKind, text, err := decode(message)
	if err != nil || gotKind != k {
		t.Fatalf("decode = kind %d, %v, want %d", gotKind, err, k)
	}
	if got, err := decodeBody[T](text); err != nil || !reflect.DeepEqual(got, body) {
		t.Errorf("%+v, %v, want %+v", got, err, body)
	}
}

func TestMessagesArriveAsTheyWereSent(t *testing.T) {
	roundTrip(t, configure, setup{
		Engine: engine.Config{
			Mode: engine.Linux, Name: "<ä\u2028>", Address: netip.MustParseAddr("fe80::1%3"), UDP: true, TCP: true,
			UDPPort: 1, TCPPort: 65535, MaxSize: 1470, MaxSessions: 4096, Timeout: time.Second, Priority: 5,
			CPUs: []int{3, 0}, Spin: time.Microsecond, Transmit: true, RingSize: 1024,
		},
		LockMemory: true,
		Lent:       []packetio.Lent{{Transport: "udp", Local: netip.MustParseAddrPort("[::]:0"), FD: 6, Dropped: 1<<32 - 1}},
	})
	roundTrip(t, configure, setup{}) // no address
	tag := strings.Repeat("\u007f\"<", 66)
	longest := measurement.Session{
		ID: 1<<31 - 1, Transport: measurement.TCPConnect, Source: strings.Repeat("\"", 64), Target: strings.Repeat("é", 100),
		Remote: netip.MustParseAddrPort("192.0.2.1:8001"), Size: 65535, Interval: time.Hour, Phase: time.Minute,
		Timeout: time.Hour, MaxLost: 1e6, RTT: true,
	}
	for range 32 {
		longest.Tags = append(longest.Tags, tag)
	}
	roundTrip(t, add, addition{Session: longest, Since: 1 << 62})
	roundTrip(t, remove, measurement.SessionID(7))
	roundTrip(t, noted, "a line")
}

func TestTextIsCutToWhatAMessageHolds(t *testing.T) {
	if _, err := encode(failed, strings.Repeat("x", maxMessage)); !errors.Is(err, errMessage) {
		t.Errorf("encode = %v, want an error", err)
	}
}

func TestBadMessagesAreRefused(t *testing.T) {
	for name, message := range map[string]string{
		"nothing":         "",
		"half a header":   "\x01",
		"another version": "\x02\x01{}",
	} {
		if _, _, err := decode([]byte(message)); !errors.Is(err, errMessage) {
			t.Errorf("%s: decode = %v, want %v", name, err, errMessage)
		}
	}
	for _, body := range []string{"", "{", "[]", `{"Session": 5}`, `"text"`} {
		if _, err := decodeBody[addition]([]byte(body)); !errors.Is(err, errMessage) {
			t.Errorf("body %q: %v, want %v", body, err, errMessage)
		}
	}
}
