package main

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/config"
	"github.com/latency-monitor/latency-monitor/pkg/latencymonitor"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

const testKey = "sixteen octets.."

func parsed(t *testing.T, text string) config.Config {
	t.Helper()
	c, err := config.Parse([]byte("name = \"n\"\n"+text), "f", config.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTargetsCarryHowToProbe(t *testing.T) {
	c := parsed(t, "[[targets]]\nhost = \"h\"\nlabel = \"l\"\ntags = [\"a\"]\ntcp_port = 1\nudp_port = 2\nrtt = false\n"+
		"size = 3\ninterval = 4\ntimeout = 5\nmax_lost = 6\nprotocol = \"stamp\"\nstamp_format = \"ptp\"\nptp_utc_offset = 36\n"+
		"dscp = 46\nttl = 64\nauth_key = \""+testKey+"\"\nowd_at_sender = \"always\"")
	want := []latencymonitor.Target{{
		Host: "h", Label: "l", Tags: []string{"a"}, TCPPort: 1, UDPPort: 2, OneWay: true, Size: 3,
		Transports: latencymonitor.UDP | latencymonitor.TCP | latencymonitor.TCPConnect,
		Interval:   4 * time.Millisecond, Timeout: 5 * time.Second, MaxLost: 6, DSCP: 46, TTL: 64,
		Protocol: measurement.STAMP, Format: stamp.PTP, PTPUTCOffset: 36 * time.Second, AuthKey: []byte(testKey),
		OWD: measurement.OWDAlways,
	}}
	if got := targets(c); !reflect.DeepEqual(got, want) {
		t.Errorf("targets are %+v, want %+v", got, want)
	}
}

func TestEveryWordOfTheConfigurationHasItsValue(t *testing.T) {
	for word, want := range map[string]latencymonitor.Target{
		`protocol = "auto"`:        {Protocol: measurement.Auto},
		`protocol = "text"`:        {Protocol: measurement.Text},
		`protocol = "stamp"`:       {Protocol: measurement.STAMP},
		`owd_at_sender = "auto"`:   {OWD: measurement.OWDAuto},
		`owd_at_sender = "always"`: {OWD: measurement.OWDAlways},
		`owd_at_sender = "never"`:  {OWD: measurement.OWDNever},
		`stamp_format = "ntp"`:     {Format: stamp.NTP},
		`stamp_format = "ptp"`:     {Format: stamp.PTP},
		`ptp_utc_offset = 0`:       {PTPUTCOffset: latencymonitor.PTPIsUTC},
	} {
		got := targets(parsed(t, word+"\n[[targets]]\nhost = \"h\""))[0]
		if want.PTPUTCOffset == 0 {
			want.PTPUTCOffset = latencymonitor.DefaultPTPUTCOffset
		}
		if got.Protocol != want.Protocol || got.OWD != want.OWD || got.Format != want.Format || got.PTPUTCOffset != want.PTPUTCOffset {
			t.Errorf("%s: protocol %v, OWD %v, format %v, offset %v, want %v, %v, %v, %v", word, got.Protocol, got.OWD,
				got.Format, got.PTPUTCOffset, want.Protocol, want.OWD, want.Format, want.PTPUTCOffset)
		}
	}
}

func TestTargetsAreProbedAsTypeAndSwitchesSay(t *testing.T) {
	const udp, tcp, connect = latencymonitor.UDP, latencymonitor.TCP, latencymonitor.TCPConnect
	for text, want := range map[string][]latencymonitor.Transports{
		"":                                   {udp | tcp | connect},
		"type = \"udp\"":                     {udp},
		"type = \"tcp\"":                     {tcp | connect},
		"tcp_latency = false":                {udp | tcp},
		"udp = false\ntcp_latency = false":   {tcp},
		"tcp = false":                        {udp},
		"tcp = false\ntype = \"tcp\"":        nil,
		"type = \"udp\"\ntcp_latency = true": {udp},
	} {
		var got []latencymonitor.Transports
		for _, target := range targets(parsed(t, text+"\n[[targets]]\nhost = \"h\"")) {
			got = append(got, target.Transports)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: transports %v, want %v", text, got, want)
		}
	}
}

func TestOptionsCarryTheReflector(t *testing.T) {
	got := monitorOptions(parsed(t, "udp_port = 1\ntcp_port = 2\nstamp_port = 862\nreflector = \"stateless\"\n"+
		"stamp_format = \"ptp\"\nptp_utc_offset = 0\nauth_keys = [\""+testKey+"\", \"another of octets\"]\nrequire_auth = true\n"+
		"allow = [\"::1\", \"10.0.0.0/8\"]\nrate_limit = 7\nmax_sessions = 8\ntimeout = 9\naddress = \"127.0.0.1\""), nil)
	want := latencymonitor.Reflector{
		UDPPort: 1, TCPPort: 2, StampPort: 862, Address: netip.MustParseAddr("127.0.0.1"), MaxSessions: 8,
		Timeout: 9 * time.Second, Stateless: true, Format: stamp.PTP, PTPUTCOffset: latencymonitor.PTPIsUTC,
		AuthKeys: [][]byte{[]byte(testKey), []byte("another of octets")}, RequireAuth: true, RateLimit: 7,
		Allow: []netip.Prefix{netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("10.0.0.0/8")},
	}
	if !reflect.DeepEqual(got.Reflector, want) {
		t.Errorf("the library gets %+v, want %+v", got.Reflector, want)
	}
	for text, want := range map[string]latencymonitor.Reflector{
		"tcp = false":    {UDPPort: config.DefaultUDPPort, RateLimit: config.DefaultRateLimit},
		"udp = false":    {TCPPort: config.DefaultTCPPort, RateLimit: config.DefaultRateLimit},
		"rate_limit = 0": {UDPPort: config.DefaultUDPPort, TCPPort: config.DefaultTCPPort, RateLimit: latencymonitor.NoRateLimit},
	} {
		r := monitorOptions(parsed(t, text), nil).Reflector
		if r.UDPPort != want.UDPPort || r.TCPPort != want.TCPPort || r.RateLimit != want.RateLimit {
			t.Errorf("%s: the library gets %+v, want %+v", text, r, want)
		}
	}
}

func TestOptionsCarryTheEngine(t *testing.T) {
	got := monitorOptions(parsed(t, "max_size = 1000\n[engine]\nmode = \"linux\"\nisolate = true\nrealtime_priority = 1\n"+
		"cpus = [2]\nspin = \"50us\"\ntx_timestamps = \"off\"\nring_size = 2048\nlock_memory = true"), nil)
	want := latencymonitor.Engine{
		Mode: latencymonitor.ModeLinux, Isolate: latencymonitor.IsolateAlways, RealtimePriority: 1, CPUs: []int{2},
		Spin: 50 * time.Microsecond, NoTxTimestamps: true, RingSize: 2048, LockMemory: true,
	}
	if !reflect.DeepEqual(got.Engine, want) || got.MaxSize != 1000 || got.Name != "n" {
		t.Errorf("the library gets %+v, want name n, max_size 1000, %+v", got, want)
	}
	for word, want := range map[string]latencymonitor.Isolate{
		`"auto"`: latencymonitor.IsolateAuto, "false": latencymonitor.IsolateNever,
	} {
		if got := monitorOptions(parsed(t, "[engine]\nisolate = "+word), nil).Engine.Isolate; got != want {
			t.Errorf("isolate = %s: the library gets %q, want %q", word, got, want)
		}
	}
}

// What the command takes, the library must; and the defaults are the same.
func TestLibraryHasTheLimitsOfTheConfiguration(t *testing.T) {
	most := strings.Repeat("m", 200)
	for _, text := range []string{
		"name = \"" + most[:64] + "\"\n[[targets]]\nhost = \"" + most + ".example\"\nlabel = \"" + most + "\"\ntags = [\"" + most + "\"]",
		"max_size = 65535\nmax_sessions = 1048576\nrate_limit = 10000000\ntimeout = 3600\ninterval = 86400000\n" +
			"[[targets]]\nhost = \"h\"\nsize = 65535\nmax_lost = 1000000\ndscp = 63\nttl = 255\nptp_utc_offset = 255",
		"max_size = 64\nmax_sessions = 1\nrate_limit = 1\ntimeout = 0.001\ninterval = 0.1\n" +
			"[[targets]]\nhost = \"h\"\nmax_lost = 1\nttl = 1\nptp_utc_offset = 1",
		"timeout = 100\ninterval = 0.1\n[[targets]]\nhost = \"fe80::1%eth0\"\n[engine]\nring_size = 16777216\n" +
			"realtime_priority = 99\ncpus = [0, 1023]",
		"interval = 10.1\n[[targets]]\nhost = \"h\"\n[engine]\nring_size = 1024\nspin = \"10ms\"",
	} {
		c, err := config.Parse([]byte(text), "f", config.Overrides{})
		if err != nil {
			t.Fatal(err)
		}
		if err := checkTargets(c); err != nil {
			t.Errorf("%s: the library refuses: %v", text, err)
		}
	}
	c := parsed(t, "[[targets]]\nhost = \"h\"")
	got, target := monitorOptions(c, nil), targets(c)[0]
	is := []any{got.MaxSize, got.Reflector.MaxSessions, got.Reflector.RateLimit, got.Reflector.Timeout, got.Engine.RingSize,
		target.Interval, target.Timeout, target.MaxLost, target.UDPPort, target.TCPPort, target.PTPUTCOffset}
	want := []any{latencymonitor.DefaultMaxSize, latencymonitor.DefaultMaxSessions, latencymonitor.DefaultRateLimit,
		latencymonitor.DefaultTimeout, latencymonitor.DefaultRingSize, latencymonitor.DefaultInterval,
		latencymonitor.DefaultTimeout, latencymonitor.DefaultMaxLost, uint16(latencymonitor.DefaultUDPPort),
		uint16(latencymonitor.DefaultTCPPort), latencymonitor.DefaultPTPUTCOffset}
	if !reflect.DeepEqual(is, want) {
		t.Errorf("defaults of the configuration are %v, of the library %v", is, want)
	}
}
