package main

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/config"
	"github.com/latency-monitor/latency-monitor/internal/reflector"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

const testKey = "sixteen octets.."

// manyTags make text of 187 octets, 195 with the query, and STAMP packets of 171.
var manyTags = "tags = [" + strings.Repeat(`"a", `, 32) + "]"

// sessionsOf returns the sessions of the one target of a configuration.
func sessionsOf(t *testing.T, text string) []measurement.Session {
	t.Helper()
	c, err := config.Parse([]byte("name = \"n\"\n"+text), "f", config.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	targets, err := sessions(c)
	if err != nil {
		t.Fatal(err)
	}
	return targets[0].Sessions
}

func TestSessionsCarryHowToProbe(t *testing.T) {
	got := sessionsOf(t, "[[targets]]\nhost = \"h\"\nprotocol = \"stamp\"\nstamp_format = \"ptp\"\nptp_utc_offset = 36\n"+
		"dscp = 46\nttl = 64\nauth_key = \""+testKey+"\"\nowd_at_sender = \"always\"")
	for _, s := range got {
		want := measurement.Session{DSCP: 46, TTL: 64}
		if s.Transport == measurement.UDP {
			want.Protocol, want.Format, want.UTCOffset = measurement.STAMP, stamp.PTP, 36*time.Second
			want.AuthKey, want.OWD = []byte(testKey), measurement.OWDAlways
		}
		is := measurement.Session{DSCP: s.DSCP, TTL: s.TTL, Protocol: s.Protocol, Format: s.Format,
			UTCOffset: s.UTCOffset, AuthKey: s.AuthKey, OWD: s.OWD}
		if !reflect.DeepEqual(is, want) {
			t.Errorf("session over %v has %+v, want %+v", s.Transport, is, want)
		}
	}
	if len(got) != 3 {
		t.Errorf("%d sessions, want 3", len(got))
	}
}

func TestEveryWordOfTheConfigurationHasItsValue(t *testing.T) {
	for word, want := range map[string]measurement.Session{
		`protocol = "auto"`:        {Protocol: measurement.Auto},
		`protocol = "text"`:        {Protocol: measurement.Text},
		`protocol = "stamp"`:       {Protocol: measurement.STAMP},
		`owd_at_sender = "auto"`:   {OWD: measurement.OWDAuto},
		`owd_at_sender = "always"`: {OWD: measurement.OWDAlways},
		`owd_at_sender = "never"`:  {OWD: measurement.OWDNever},
		`stamp_format = "ntp"`:     {Format: stamp.NTP},
		`stamp_format = "ptp"`:     {Format: stamp.PTP},
	} {
		s := sessionsOf(t, word+"\n[[targets]]\nhost = \"h\"")[0]
		if s.Protocol != want.Protocol || s.OWD != want.OWD || s.Format != want.Format {
			t.Errorf("%s: protocol %v, OWD %v, format %v, want %v, %v, %v", word, s.Protocol, s.OWD, s.Format,
				want.Protocol, want.OWD, want.Format)
		}
	}
}

func TestProtocolThatAutoBecomes(t *testing.T) {
	// Name and tags make text of 27 octets, 35 with the query, and STAMP packets of 75.
	for _, test := range []struct {
		name string
		text string
		want measurement.Protocol
	}{
		{"as it is", "", measurement.Auto},
		{"with a key there is no text", "auth_key = \"" + testKey + "\"", measurement.STAMP},
		{"STAMP packets just fit", "max_size = 75", measurement.Auto},
		{"STAMP packets do not fit", "max_size = 74", measurement.Text},
		{"STAMP packets of one way do not fit", "max_size = 75\nrtt = false", measurement.Text},
		{"the query does not fit", "max_size = 190\n" + manyTags, measurement.Text},
		{"the query just fits", "max_size = 195\n" + manyTags, measurement.Auto},
		{"asked for", "protocol = \"stamp\"", measurement.STAMP},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := sessionsOf(t, test.text+"\n[[targets]]\nhost = \"h\"\ntype = \"udp\"")[0]
			if s.Protocol != test.want {
				t.Errorf("protocol = %v, want %v (text header %d, STAMP %d octets)", s.Protocol, test.want, textHeader(s), stampSize(s))
			}
		})
	}
}

// README.md has these sizes.
func TestSizesOfStampPackets(t *testing.T) {
	session := measurement.Session{Source: "host-a", RTT: true}
	oneWay, authenticated, tagged := session, session, session
	oneWay.RTT = false
	authenticated.AuthKey = []byte(testKey)
	tagged.Tags = []string{"a", "bcd"}
	for _, test := range []struct {
		name    string
		session measurement.Session
		want    int
	}{
		{"round trip", session, 44 + 8 + 16 + 6 + len("host-a")},
		{"one way", oneWay, 80 + 12},
		{"with a key", authenticated, 112 + 36 + 20},
		{"with tags", tagged, 80 + 2 + 1 + 2 + 3},
	} {
		if got := stampSize(test.session); got != test.want {
			t.Errorf("%s: %d octets, want %d", test.name, got, test.want)
		}
	}
}

// The text of a session over STAMP never leaves, and so may be longer than a message.
func TestTextNeedNotFitWhereThereIsNone(t *testing.T) {
	s := sessionsOf(t, "max_size = 171\nprotocol = \"stamp\"\n"+manyTags+"\n[[targets]]\nhost = \"h\"\ntype = \"udp\"")[0]
	if text, packet := textHeader(s), stampSize(s); text != 187 || packet != 171 {
		t.Fatalf("text header of %d, STAMP packet of %d octets, want 187 and 171", text, packet)
	}
}

func TestEngineCarriesTheReflector(t *testing.T) {
	c, err := config.Parse([]byte("name = \"n\"\nstamp_port = 862\nreflector = \"stateless\"\nstamp_format = \"ptp\"\n"+
		"ptp_utc_offset = 0\nauth_keys = [\""+testKey+"\", \"another of octets\"]\nrequire_auth = true\n"+
		"allow = [\"::1\", \"10.0.0.0/8\"]\nrate_limit = 7"), "f", config.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	got := engineConfig(c, nil)
	want := reflector.Stamp{
		Stateless: true, Format: stamp.PTP, Keys: [][]byte{[]byte(testKey), []byte("another of octets")},
		RequireAuth: true, RateLimit: 7,
		Allow: []netip.Prefix{netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("10.0.0.0/8")},
	}
	if got.StampPort != 862 || !reflect.DeepEqual(got.Stamp, want) {
		t.Errorf("engine gets port %d, %+v, want 862, %+v", got.StampPort, got.Stamp, want)
	}
	// To an engine process it travels as JSON.
	var there reflector.Stamp
	text, err := json.Marshal(got.Stamp)
	if err == nil {
		err = json.Unmarshal(text, &there)
	}
	if err != nil || !reflect.DeepEqual(there, want) {
		t.Errorf("through JSON it becomes %+v, %v, want %+v", there, err, want)
	}
}
