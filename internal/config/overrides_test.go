package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

const fileWithEverything = `
name = "from-file"
tcp_port = 1
udp_port = 2
max_size = 500
log_level = "ERROR"
log_file = "file.log"
rtt = true
interval = 100
timeout = 3
[[targets]]
host = "h"
tcp_port = 11
udp_port = 12
interval = 200
timeout = 4
max_lost = 5
rtt = true
tcp_latency = true
[[metrics]]
backend = "cli"
[[metrics]]
backend = "clickhouse"
host = "click"
`

func TestOptionsWinOverTheFile(t *testing.T) {
	for _, test := range []struct {
		name    string
		options Overrides
		change  func(*Config)
	}{
		{"no option", Overrides{}, func(*Config) {}},
		{"name", Overrides{Name: ptr("n")}, func(c *Config) { c.Name = "n" }},
		{"log level in small letters", Overrides{LogLevel: ptr("critical")},
			func(c *Config) { c.LogLevel = LogCritical }},
		{"log file", Overrides{LogFile: ptr("")}, func(c *Config) { c.LogFile = "" }},
		{"ports of the top level only", Overrides{TCPPort: ptr(21), UDPPort: ptr(22)},
			func(c *Config) { c.TCPPort, c.UDPPort = 21, 22 }},
		{"largest message", Overrides{MaxSize: ptr(600)}, func(c *Config) { c.MaxSize = 600 }},
		{"interval of every target", Overrides{Interval: ptr(0.5)},
			func(c *Config) { c.Targets[0].Interval = 500 * time.Microsecond }},
		{"timeout of every target", Overrides{Timeout: ptr(1.5)},
			func(c *Config) { c.Timeout, c.Targets[0].Timeout = 1500*time.Millisecond, 1500*time.Millisecond }},
		{"losses of every target", Overrides{MaxLost: ptr(7)}, func(c *Config) { c.Targets[0].MaxLost = 7 }},
		{"TCP connect latency of every target", Overrides{TCPLatency: ptr(false)},
			func(c *Config) { c.Targets[0].TCPLatency = false }},
		{"one-way UDP every millisecond", Overrides{TCP: ptr(false), RTT: ptr(false), Interval: ptr(1.0)},
			func(c *Config) {
				c.TCP, c.Targets[0].TCP, c.Targets[0].RTT = false, false, false
				c.Targets[0].Interval = time.Millisecond
			}},
		{"a backend of the file, which keeps its keys", Overrides{Metrics: ptr("clickhouse")},
			func(c *Config) { c.Backends = c.Backends[1:] }},
		{"a backend that is not in the file", Overrides{Metrics: ptr("log"), LogLevel: ptr("warning")},
			func(c *Config) {
				c.Backends = []Backend{{"log", map[string]any{"buffer": int64(100_000), "level": "warning"}}}
				c.LogLevel = LogWarning
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := mustLoad(t, fileWithEverything, Overrides{})
			test.change(&want)
			if got := mustLoad(t, fileWithEverything, test.options); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestPortsOfTheTopLevelReachTargetsWithoutTheirOwn(t *testing.T) {
	c := mustLoad(t, "tcp_port = 1\n[[targets]]\nhost = \"h\"", Overrides{TCPPort: ptr(5), UDPPort: ptr(6)})
	if got := only(t, c); got.TCPPort != 5 || got.UDPPort != 6 {
		t.Errorf("ports = %d, %d, want 5, 6", got.TCPPort, got.UDPPort)
	}
}

func TestSwitchTurnsATransportBackOn(t *testing.T) {
	c := mustLoad(t, "tcp = false\n[[targets]]\nhost = \"h\"\n", Overrides{TCP: ptr(true)})
	if got := only(t, c); !c.TCP || !got.TCP {
		t.Errorf("tcp = %v, of the target %v, want true", c.TCP, got.TCP)
	}
}

func TestErrorsNameTheOption(t *testing.T) {
	const letThrough = "log_level must let the level of backend log through"
	const field = `must be 1 to 64 octets of UTF-8 without "|" and control characters`
	for _, test := range []struct {
		name    string
		options Overrides
		text    string
		want    string
	}{
		{"name with separator", Overrides{Name: ptr("a|b")}, "", "--name a|b: " + field},
		{"name empty", Overrides{Name: ptr("")}, "", `--name "": ` + field},
		{"name not UTF-8", Overrides{Name: ptr("\xff")}, "", `--name "\xff": ` + field},
		{"backend unknown", Overrides{Metrics: ptr("influx")}, "",
			"--metrics influx: must be cli, log, zeromq, datadog, pushgateway, prometheus or clickhouse"},
		{"log level unknown", Overrides{LogLevel: ptr("loud")}, "",
			"--log-level loud: must be DEBUG, INFO, WARNING, ERROR or CRITICAL"},
		{"log file with control character", Overrides{LogFile: ptr("a\nb")}, "",
			`--log-file "a\nb": must be a file name without control characters`},
		{"TCP port", Overrides{TCPPort: ptr(70000)}, "", "--tcp-port 70000: must be 1 to 65535"},
		{"UDP port", Overrides{UDPPort: ptr(0)}, "", "--udp-port 0: must be 1 to 65535"},
		{"largest message", Overrides{MaxSize: ptr(1)}, "", "--max-size 1: must be 64 to 65535 octets"},
		{"losses", Overrides{MaxLost: ptr(0)}, "", "--max-lost 0: must be 1 to 1000000 probes"},
		{"interval", Overrides{Interval: ptr(0.05)}, "", "--interval 0.05: must be 0.1 to 86400000 milliseconds"},
		{"timeout", Overrides{Timeout: ptr(-1.0)}, "", "--timeout -1: must be 0.001 to 3600 seconds"},
		{"log level above that of the backend log", Overrides{LogLevel: ptr("error")},
			"[metrics]\nbackend = \"log\"\nlevel = \"warning\"",
			`latency.toml: metrics.level = "warning" and --log-level error: ` + letThrough},
		{"log level above the default of the backend log", Overrides{LogLevel: ptr("error")},
			"[[metrics]]\nbackend = \"cli\"\n[[metrics]]\nbackend = \"log\"",
			"metrics[1].level = warning (the default) and --log-level error: " + letThrough},
		{"backend log below the log level", Overrides{Metrics: ptr("log")}, `log_level = "critical"`,
			`latency.toml: log_level = "critical" and metrics.level = warning (the default): ` + letThrough},
		{"backend log at its level in the file", Overrides{Metrics: ptr("log")},
			"[[metrics]]\nbackend = \"cli\"\n[[metrics]]\nbackend = \"log\"\nlevel = \"Debug\"",
			`latency.toml: metrics[1].level = "Debug" and log_level = INFO (the default): ` + letThrough},
		{"backend log and log level both by option", Overrides{Metrics: ptr("log"), LogLevel: ptr("ERROR")}, "",
			"metrics.level = warning (the default) and --log-level ERROR: " + letThrough},
		{"both transports off", Overrides{TCP: ptr(false), UDP: ptr(false)}, "",
			"--no-tcp and --no-udp: one of tcp and udp must be on"},
		{"one transport off here, one in the file", Overrides{UDP: ptr(false)}, "tcp = false",
			"latency.toml: tcp = false and --no-udp: one of tcp and udp must be on"},
		{"message longer than the option allows", Overrides{MaxSize: ptr(100)}, "[[targets]]\nhost = \"h\"\nsize = 101",
			"latency.toml: targets[0].size = 101: must be at most --max-size 100, in octets"},
		{"outstanding probes", Overrides{Interval: ptr(0.1), Timeout: ptr(3600.0)}, "[[targets]]\nhost = \"h\"",
			"--timeout 3600 and --interval 0.1: 36000000 probes could wait for a reply, " +
				"must be at most 1000000 (timeout / interval)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(test.text, test.options)
			checkError(t, err, test.want)
		})
	}
}

func TestAllowedKnowsEveryOptionWithARange(t *testing.T) {
	for option, want := range map[string]string{
		"interval":  "a number, 0.1 to 86400000 milliseconds",
		"timeout":   "a number, 0.001 to 3600 seconds",
		"tcp-port":  "an integer, 1 to 65535",
		"udp-port":  "an integer, 1 to 65535",
		"max-size":  "an integer, 64 to 65535 octets",
		"max-lost":  "an integer, 1 to 1000000 probes",
		"log-level": "DEBUG, INFO, WARNING, ERROR or CRITICAL",
		"help":      "",
	} {
		if got := Allowed(option); got != want {
			t.Errorf("Allowed(%q) = %q, want %q", option, got, want)
		}
	}
	for _, option := range []string{"name", "metrics"} {
		if !strings.Contains(Allowed(option), " ") {
			t.Errorf("Allowed(%q) = %q, want a rule", option, Allowed(option))
		}
	}
}

func TestBackendLogMayBeBelowTheLogLevelWhereItIsNotUsed(t *testing.T) {
	const text = "log_level = \"warning\"\n[[metrics]]\nbackend = \"log\"\nlevel = \"debug\"\n"
	for _, options := range []Overrides{{Metrics: ptr("cli")}, {LogLevel: ptr("debug")}} {
		if _, err := load(text, options); err != nil {
			t.Errorf("Parse with %+v = %v, want no error", options, err)
		}
	}
}
