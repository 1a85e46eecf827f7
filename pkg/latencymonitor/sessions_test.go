package latencymonitor

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/reflector"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

const testKey = "sixteen octets.."

// manyTags make text of 187 octets, 195 with the query, and STAMP packets of 171.
var manyTags = slices.Repeat([]string{"a"}, 32)

// described returns the sessions of a target at host h, by a Monitor n.
func described(t *testing.T, o Options, target Target) []measurement.Session {
	t.Helper()
	o.Name, target.Host = "n", "h"
	if err := o.Check(target); err != nil {
		t.Fatal(err)
	}
	o, _ = o.complete()
	return o.sessions(target.complete())
}

func TestSessionsCarryHowToProbe(t *testing.T) {
	got := described(t, Options{}, Target{
		Protocol: measurement.STAMP, Format: stamp.PTP, PTPUTCOffset: 36 * time.Second, DSCP: 46, TTL: 64,
		AuthKey: []byte(testKey), OWD: measurement.OWDAlways, UDPPort: 1, TCPPort: 2, OneWay: true,
	})
	for _, s := range got {
		want := measurement.Session{DSCP: 46, TTL: 64, RTT: s.Transport == measurement.TCPConnect}
		port := uint16(2)
		if s.Transport == measurement.UDP {
			port = 1
			want.Protocol, want.Format, want.UTCOffset = measurement.STAMP, stamp.PTP, 36*time.Second
			want.AuthKey, want.OWD = []byte(testKey), measurement.OWDAlways
		}
		is := measurement.Session{DSCP: s.DSCP, TTL: s.TTL, RTT: s.RTT, Protocol: s.Protocol, Format: s.Format,
			UTCOffset: s.UTCOffset, AuthKey: s.AuthKey, OWD: s.OWD}
		if !reflect.DeepEqual(is, want) || s.Remote.Port() != port {
			t.Errorf("session over %v has %+v to port %d, want %+v to %d", s.Transport, is, s.Remote.Port(), want, port)
		}
	}
	if len(got) != 3 {
		t.Errorf("%d sessions, want 3", len(got))
	}
}

func TestProtocolThatAutoBecomes(t *testing.T) {
	// Name and tags make text of 27 octets, 35 with the query, and STAMP packets of 75.
	for _, test := range []struct {
		name    string
		options Options
		target  Target
		want    measurement.Protocol
	}{
		{"as it is", Options{}, Target{}, measurement.Auto},
		{"with a key there is no text", Options{}, Target{AuthKey: []byte(testKey)}, measurement.STAMP},
		{"STAMP packets just fit", Options{MaxSize: 75}, Target{}, measurement.Auto},
		{"STAMP packets do not fit", Options{MaxSize: 74}, Target{}, measurement.Text},
		{"STAMP packets of one way do not fit", Options{MaxSize: 75}, Target{OneWay: true}, measurement.Text},
		{"the query does not fit", Options{MaxSize: 190}, Target{Tags: manyTags}, measurement.Text},
		{"the query just fits", Options{MaxSize: 195}, Target{Tags: manyTags}, measurement.Auto},
		{"asked for", Options{}, Target{Protocol: measurement.STAMP}, measurement.STAMP},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.target.Transports = UDP
			s := described(t, test.options, test.target)[0]
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
	s := described(t, Options{MaxSize: 171}, Target{Protocol: measurement.STAMP, Tags: manyTags, Transports: UDP})[0]
	if text, packet := textHeader(s), stampSize(s); text != 187 || packet != 171 {
		t.Fatalf("text header of %d, STAMP packet of %d octets, want 187 and 171", text, packet)
	}
}

func TestEngineCarriesTheReflector(t *testing.T) {
	o, err := Options{Name: "n", Reflector: Reflector{
		UDPPort: 1, StampPort: 862, Stateless: true, Format: stamp.PTP, PTPUTCOffset: PTPIsUTC,
		AuthKeys: [][]byte{[]byte(testKey), []byte("another of octets")}, RequireAuth: true, RateLimit: 7,
		Allow: []netip.Prefix{netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("10.0.0.0/8")},
	}}.complete()
	if err != nil {
		t.Fatal(err)
	}
	got := o.engine(nil)
	want := reflector.Stamp{
		Stateless: true, Format: stamp.PTP, Keys: [][]byte{[]byte(testKey), []byte("another of octets")},
		RequireAuth: true, RateLimit: 7,
		Allow: []netip.Prefix{netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("10.0.0.0/8")},
	}
	if got.UDPPort != 1 || got.StampPort != 862 || !reflect.DeepEqual(got.Stamp, want) {
		t.Errorf("engine gets ports %d and %d, %+v, want 1 and 862, %+v", got.UDPPort, got.StampPort, got.Stamp, want)
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

func TestStampPortMayBeTheOnlyOne(t *testing.T) {
	o, err := Options{Reflector: Reflector{StampPort: 862}}.complete()
	if err != nil {
		t.Fatal(err)
	}
	if got := o.engine(nil); !got.UDP || got.UDPPort != 862 || got.StampPort != 0 || got.TCP {
		t.Errorf("engine gets UDP %v, ports %d and %d, TCP %v, want port 862 only", got.UDP, got.UDPPort, got.StampPort, got.TCP)
	}
}

// A session that the reflector accepts and the exporter has no room for publishes nothing.
func TestExporterKnowsAsManySessionsAsTheReflector(t *testing.T) {
	for _, sessions := range []int{1, 4096, 1 << 20} {
		m := Monitor{options: Options{Reflector: Reflector{MaxSessions: sessions}}}
		reflected := m.options.engine(nil).MaxSessions
		if exported := m.exporterConfig().MaxReflected; exported < reflected {
			t.Errorf("MaxSessions %d: reflector knows %d, exporter %d", sessions, reflected, exported)
		}
	}
}

func TestSessionsShareTheirInterval(t *testing.T) {
	const interval = 12 * time.Millisecond
	sessions := func(phases ...time.Duration) []*measurement.Session {
		var all []*measurement.Session
		for _, phase := range phases {
			all = append(all, &measurement.Session{Interval: interval, Phase: phase * time.Millisecond})
		}
		return all
	}
	other := &measurement.Session{Interval: time.Second, Phase: 3 * time.Millisecond}
	for _, test := range []struct {
		name    string
		running []*measurement.Session
		fresh   int
		want    []*measurement.Session
	}{
		{"alone", nil, 1, sessions(0)},
		{"together", nil, 3, sessions(0, 4, 8)},
		{"beside those of another interval", []*measurement.Session{other}, 3, sessions(0, 4, 8)},
		{"after one", sessions(0), 1, sessions(6)},
		{"after one, three", sessions(0), 3, sessions(6, 3, 9)},
		{"where one was removed", sessions(0, 8), 1, sessions(4)},
		{"in the gap around the beginning", sessions(2, 6), 1, sessions(10)},
		{"in that gap, behind its end", sessions(5, 9), 1, sessions(1)},
		{"in that gap, at the beginning", sessions(5, 7), 1, sessions(0)},
	} {
		fresh := sessions(make([]time.Duration, test.fresh)...)
		spread(test.running, fresh)
		for i, s := range fresh {
			if want := test.want[i].Phase; s.Phase != want {
				t.Errorf("%s: session %d has phase %v, want %v", test.name, i, s.Phase, want)
			}
		}
	}
}
