package latencymonitor

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

func TestWrongOptionsAreNamed(t *testing.T) {
	key := []byte(testKey)
	for _, test := range []struct {
		options Options
		want    string
	}{
		{Options{Name: "a|b"}, `Options.Name = "a|b": must be 1 to 64 octets of UTF-8 without "|" and control characters`},
		{Options{MaxSize: 63}, "Options.MaxSize = 63: must be 64 to 65535"},
		{Options{MetricsBuffer: -1}, "Options.MetricsBuffer = -1: must be 1 to 16777216"},
		{Options{Reflector: Reflector{MaxSessions: -1}}, "Options.Reflector.MaxSessions = -1: must be 1 to 1048576"},
		{Options{Reflector: Reflector{Timeout: 2 * time.Hour}}, "Options.Reflector.Timeout = 2h0m0s: must be 1ms to 1h0m0s"},
		{Options{Reflector: Reflector{Format: 2}}, "Options.Reflector.Format = 2: must be stamp.NTP or stamp.PTP"},
		{Options{Reflector: Reflector{PTPUTCOffset: 1}},
			"Options.Reflector.PTPUTCOffset = 1ns: must be 1s to 255s in whole seconds, 0 for the default, or PTPIsUTC"},
		{Options{Reflector: Reflector{UDPPort: 1, StampPort: 1}},
			"Options.Reflector.StampPort = 1: must be another port than UDPPort, or 0"},
		{Options{Reflector: Reflector{AuthKeys: [][]byte{key, []byte("short")}}},
			"len(Options.Reflector.AuthKeys[1]) = 5: must be 16 to 64"},
		{Options{Reflector: Reflector{RequireAuth: true}},
			"Options.Reflector.RequireAuth = true: must be false without AuthKeys, or nobody is answered"},
		{Options{Reflector: Reflector{AuthKeys: slices.Repeat([][]byte{key}, 17)}},
			"len(Options.Reflector.AuthKeys) = 17: must be at most 16"},
		{Options{Reflector: Reflector{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")}}},
			"Options.Reflector.Allow[0] = 10.0.0.1/8: must be a valid prefix whose other bits are 0, of IPv4 or IPv6"},
		{Options{Reflector: Reflector{RateLimit: -2}},
			"Options.Reflector.RateLimit = -2: must be 1 to 10000000, 0 for the default, or NoRateLimit"},
		{Options{Engine: Engine{Mode: "fast"}}, `Options.Engine.Mode = "fast": must be ModeAuto, ModeLinux or ModePortable`},
		{Options{Engine: Engine{Isolate: "yes"}},
			`Options.Engine.Isolate = "yes": must be IsolateNever, IsolateAuto or IsolateAlways`},
		{Options{Engine: Engine{Mode: ModePortable, Isolate: IsolateAlways}},
			"Options.Engine.Isolate = IsolateAlways: must be another one with ModePortable, which can't have a process of its own"},
		{Options{Engine: Engine{RingSize: 1025}}, "Options.Engine.RingSize = 1025: must be a power of two, 1024 to 16777216 samples"},
		{Options{Engine: Engine{RealtimePriority: 100}}, "Options.Engine.RealtimePriority = 100: must be 0 to 99"},
		{Options{Engine: Engine{CPUs: []int{0, -1}}}, "Options.Engine.CPUs[1] = -1: must be 0 to 1023"},
		{Options{Engine: Engine{Spin: time.Second}}, "Options.Engine.Spin = 1s: must be 0s to 10ms"},
	} {
		m, err := New(test.options)
		if err == nil {
			_ = m.Close()
		}
		if err == nil || err.Error() != test.want {
			t.Errorf("New(%+v):\n got %v\nwant %s", test.options, err, test.want)
		}
	}
}

func TestWrongTargetsAreNamed(t *testing.T) {
	options := Options{Name: "b", MaxSize: 175, Engine: Engine{Spin: time.Millisecond}}
	for _, test := range []struct {
		target Target
		want   string
	}{
		{Target{}, `target "": Host = "": must be an IP address or a host name of 1 to 253 octets`},
		{Target{Host: "h:1"}, `target "h:1": Host = "h:1": must be an IP address or a host name of 1 to 253 octets`},
		{Target{Label: "a|b"}, `target "a|b": Label = "a|b": must be 1 to 200 octets of UTF-8 without "|" and control characters`},
		{Target{Tags: []string{"a", ""}}, `target "h": Tags[1] = "": must be 1 to 200 octets of UTF-8 without "|" and control characters`},
		{Target{Tags: slices.Repeat([]string{"a"}, 33)}, `target "h": len(Tags) = 33: must be at most 32`},
		{Target{Transports: 8}, `target "h": Transports = 8: must be a sum of UDP, TCP and TCPConnect`},
		{Target{Interval: 99 * time.Microsecond}, `target "h": Interval = 99µs: must be 100µs to 24h0m0s`},
		{Target{Interval: time.Millisecond}, `target "h": Interval = 1ms: must be more than Options.Engine.Spin = 1ms`},
		{Target{Timeout: -1}, `target "h": Timeout = -1ns: must be 1ms to 1h0m0s`},
		{Target{Timeout: time.Hour, Interval: 2 * time.Millisecond},
			`target "h": Timeout = 1h0m0s: must be at most 1000000 times Interval = 2ms`},
		{Target{MaxLost: -1}, `target "h": MaxLost = -1: must be 1 to 1000000`},
		{Target{Size: -1}, `target "h": Size = -1: must be 0 to 65535`},
		{Target{Size: 176}, `target "h": Size = 176: must be at most MaxSize = 175 octets`},
		{Target{DSCP: 64}, `target "h": DSCP = 64: must be 0 to 63`},
		{Target{TTL: 256}, `target "h": TTL = 256: must be 0 to 255`},
		{Target{Protocol: 3}, `target "h": Protocol = 3: must be measurement.Auto, Text or STAMP`},
		{Target{Format: 2}, `target "h": Format = 2: must be stamp.NTP or stamp.PTP`},
		{Target{OWD: 3}, `target "h": OWD = 3: must be measurement.OWDAuto, OWDAlways or OWDNever`},
		{Target{AuthKey: []byte("secret")}, `target "h": len(AuthKey) = 6: must be 16 to 64`},
		{Target{AuthKey: []byte(testKey), Protocol: measurement.Text},
			`target "h": Protocol = measurement.Text: must be another one with an AuthKey: text has no authentication`},
		{Target{Tags: []string{strings.Repeat("t", 200)}},
			`target "h": Name and Tags make messages of 231 octets: must be at most MaxSize = 175`},
		{Target{Tags: []string{strings.Repeat("t", 120)}, Protocol: measurement.STAMP},
			`target "h": Name and Tags make STAMP packets of 197 octets: must be at most MaxSize = 175`},
	} {
		if test.target.Host == "" && !strings.Contains(test.want, "Host") {
			test.target.Host = "h"
		}
		err := options.Check(test.target)
		if err == nil || err.Error() != test.want {
			t.Errorf("Check(%+v):\n got %v\nwant %s", test.target, err, test.want)
		}
	}
	long := Options{Name: "b", MaxSize: 64}.Check(Target{Host: "h", Tags: []string{strings.Repeat("t", 99)}})
	if tooLong, ok := errors.AsType[*TooLongError](long); !ok || tooLong.Octets != 130 || tooLong.MaxSize != 64 {
		t.Errorf("Check = %v, want a TooLongError of 130 octets", long)
	}
}

func TestZeroValuesAreGood(t *testing.T) {
	if err := (Options{}).Check(Target{Host: "192.0.2.1"}, Target{Host: "fe80::1%eth0"}, Target{Host: "a.example"}); err != nil {
		t.Error(err)
	}
}

func TestTargetsThatCannotBeToldApart(t *testing.T) {
	m := opened(t, "m", Engine{})
	udp, err := m.AddUDPTarget("Host.invalid")
	must(t, err)
	if _, err = m.AddTCPTarget("host.invalid"); err != nil {
		t.Errorf("over another transport: %v", err)
	}
	for _, test := range []struct {
		name   string
		target Target
		ok     bool
	}{
		{"the same", Target{Host: "host.invalid", Transports: UDP}, false},
		{"another port", Target{Host: "host.invalid", Transports: UDP, UDPPort: 1}, false},
		{"all transports", Target{Host: "host.invalid"}, false},
		{"the same by label", Target{Host: "other.invalid", Label: "host.invalid"}, false},
		{"handshakes only", Target{Host: "host.invalid", Transports: TCPConnect}, false},
		{"another tag", Target{Host: "host.invalid", Tags: []string{"a", "b"}}, true},
		{"the tags in another order", Target{Host: "host.invalid", Tags: []string{"b", "a"}}, false},
		{"another label", Target{Host: "host.invalid", Label: "l"}, true},
	} {
		_, err := m.AddTarget(test.target)
		if (err == nil) != test.ok {
			t.Errorf("%s: AddTarget = %v, want success: %v", test.name, err, test.ok)
		}
	}
	if _, err := m.AddTargets(Target{Host: "new.invalid"}, Target{Host: "new.invalid"}); err == nil {
		t.Error("twice at once: no error")
	}
	if _, err := m.AddTargets(Target{Host: "new.invalid"}, Target{Host: "host.invalid"}); err == nil {
		t.Error("one of two: no error")
	}
	must(t, m.RemoveTarget(udp))
	if id, err := m.AddUDPTarget("host.invalid"); err != nil || id <= udp {
		t.Errorf("after it was removed: AddUDPTarget = %d, %v, want another ID than %d", id, err, udp)
	}
	if s := m.Stats(); s.Targets != 4 || s.Sessions != 1+2+3+3 {
		t.Errorf("%d targets and %d sessions, want 4 and 9: failures add nothing", s.Targets, s.Sessions)
	}
}

func TestAddressesWithAndWithoutPort(t *testing.T) {
	for address, want := range map[string]struct {
		host string
		port uint16
	}{
		"192.0.2.1":         {"192.0.2.1", 0},
		"192.0.2.1:1":       {"192.0.2.1", 1},
		"a.example:65535":   {"a.example", 65535},
		"2001:db8::1":       {"2001:db8::1", 0},
		"[2001:db8::1]:7":   {"2001:db8::1", 7},
		"fe80::1%eth0":      {"fe80::1%eth0", 0},
		"[fe80::1%eth0]:7":  {"fe80::1%eth0", 7},
		"a.example:0":       {"a.example:0", 0}, // refused by AddTarget, as the following
		"a.example:http":    {"a.example:http", 0},
		"[2001:db8::1]":     {"[2001:db8::1]", 0},
		"192.0.2.1:1000000": {"192.0.2.1:1000000", 0},
	} {
		if host, port := splitAddress(address); host != want.host || port != want.port {
			t.Errorf("splitAddress(%q) = %q, %d, want %q, %d", address, host, port, want.host, want.port)
		}
	}
}
