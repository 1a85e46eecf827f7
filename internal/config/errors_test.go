package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestErrorsNameKeyValueAndRange has one mistake a row. The file's name before every message is left
// out.
func TestErrorsNameKeyValueAndRange(t *testing.T) {
	const field = `octets of UTF-8 without "|" and control characters`
	for _, test := range []struct{ name, text, want string }{
		{"name empty", `name = ""`, `name = "": must be 1 to 64 ` + field},
		{"name too long", `name = "` + strings.Repeat("n", 65) + `"`,
			`name = "` + strings.Repeat("n", 65) + `": must be 1 to 64 ` + field},
		{"name with separator", `name = "a|b"`, `name = "a|b": must be 1 to 64 ` + field},
		{"name with control character", `name = "a\nb"`, `name = "a\nb": must be 1 to 64 ` + field},
		{"name no string", `name = 5`, "line 1: name = 5: must be a string, 1 to 64 " + field},
		{"address a name", `address = "localhost"`,
			`address = "localhost": must be an IPv4 or IPv6 address; leave it out to listen on every address`},
		{"address with port", `address = "127.0.0.1:80"`,
			`address = "127.0.0.1:80": must be an IPv4 or IPv6 address; leave it out to listen on every address`},
		{"TCP port 0", "tcp_port = 0", "tcp_port = 0: must be 1 to 65535"},
		{"TCP port too big", "tcp_port = 65536", "tcp_port = 65536: must be 1 to 65535"},
		{"TCP port beyond 32 bits", "tcp_port = 4294967297", "tcp_port = 4294967297: must be 1 to 65535"},
		{"UDP port negative", "udp_port = -1", "udp_port = -1: must be 1 to 65535"},
		{"UDP port a fraction", "udp_port = 80.5", "line 1: udp_port = 80.5: must be an integer, 1 to 65535"},
		{"type unknown", `type = "icmp"`, `type = "icmp": must be tcp or udp`},
		{"type a list", `type = ["tcp", "udp"]`,
			`line 1: type = ["tcp", "udp"]: must be a string, tcp or udp`},
		{"rtt a number", "rtt = 1", "line 1: rtt = 1: must be true or false"},
		{"tcp a string", `tcp = "yes"`, `line 1: tcp = "yes": must be true or false`},
		{"both transports off", "tcp = false\nudp = false", "tcp = false and udp = false: one of tcp and udp must be on"},
		{"size negative", "size = -1", "size = -1: must be 0 to 65535 octets"},
		{"size too big", "size = 65536", "size = 65536: must be 0 to 65535 octets"},
		{"interval too small", "interval = 0.05", "interval = 0.05: must be 0.1 to 86400000 milliseconds"},
		{"interval too big", "interval = 86400001", "interval = 86400001: must be 0.1 to 86400000 milliseconds"},
		{"interval not a number", "interval = nan", "interval = NaN: must be 0.1 to 86400000 milliseconds"},
		{"interval infinite", "interval = inf", "interval = +Inf: must be 0.1 to 86400000 milliseconds"},
		{"interval a string", `interval = "fast"`,
			`line 1: interval = "fast": must be a number, 0.1 to 86400000 milliseconds`},
		{"interval a date", `interval = 2020-01-01T00:00:00Z`,
			`line 1: interval = 2020-01-01T00:00:00Z: must be a number, 0.1 to 86400000 milliseconds`},
		{"timeout 0", "timeout = 0", "timeout = 0: must be 0.001 to 3600 seconds"},
		{"timeout too big", "timeout = 3600.1", "timeout = 3600.1: must be 0.001 to 3600 seconds"},
		{"max_lost 0", "max_lost = 0", "max_lost = 0: must be 1 to 1000000 probes"},
		{"max_lost too big", "max_lost = 1000001", "max_lost = 1000001: must be 1 to 1000000 probes"},
		{"max_size too small", "max_size = 63", "max_size = 63: must be 64 to 65535 octets"},
		{"max_size too big", "max_size = 65536", "max_size = 65536: must be 64 to 65535 octets"},
		{"max_sessions 0", "max_sessions = 0", "max_sessions = 0: must be 1 to 1048576 sessions"},
		{"max_sessions too big", "max_sessions = 1048577", "max_sessions = 1048577: must be 1 to 1048576 sessions"},
		{"log level unknown", `log_level = "TRACE"`,
			`log_level = "TRACE": must be DEBUG, INFO, WARNING, ERROR or CRITICAL`},
		{"log file with control character", `log_file = "a\u0000"`,
			`log_file = "a\x00": must be a file name without control characters`},
		{"password without quotes", "[metrics]\nbackend = \"clickhouse\"\npassword = hunterTwo",
			"line 3: password: must be a string in quotes, or a list of them"},
		{"password that begins as a number", "[metrics]\nbackend = \"clickhouse\"\npassword = 0123",
			"line 3: password: must be a string in quotes, or a list of them"},
		{"dotted key without quotes", "metrics.api_key = abc", "line 1: api_key: must be a string in quotes, or a list of them"},
		{"one of the keys without quotes", "auth_keys = [\n\"a\",\nabc]",
			"line 3: auth_keys: must be a string in quotes, or a list of them"},
		{"tags a string", `tags = "a"`, `line 1: tags = "a": must be a list of strings`},
		{"tag a number", `tags = ["a", 5]`, `line 1: tags[1] = 5: must be a string, 1 to 200 ` + field},
		{"tag with separator", `tags = ["a", "b|c"]`, `tags[1] = "b|c": must be 1 to 200 ` + field},
		{"tag empty", `tags = [""]`, `tags[0] = "": must be 1 to 200 ` + field},
		{"tag too long", `tags = ["` + strings.Repeat("t", 201) + `"]`,
			`tags[0] = "` + strings.Repeat("t", 80) + `…": must be 1 to 200 ` + field},
		{"too many tags", `tags = [` + strings.Repeat(`"t",`, 33) + `]`, `tags has 33 elements: must be at most 32`},

		{"targets a table", "[targets]\nhost = \"h\"", `line 1: targets = {…}: must be an array of tables, [[targets]]`},
		{"targets a list of strings", `targets = ["h"]`,
			`line 1: targets = ["h"]: must be an array of tables, [[targets]]`},
		{"host missing", "[[targets]]\nlabel = \"a\"",
			"targets[0].host is missing: must be a string, an IP address or a host name of 1 to 253 octets"},
		{"host empty", "[[targets]]\nhost = \"\"",
			`targets[0].host = "": must be an IP address or a host name of 1 to 253 octets`},
		{"host like an address", "[[targets]]\nhost = \"192.0.2.300\"",
			`targets[0].host = "192.0.2.300": must be an IP address or a host name of 1 to 253 octets`},
		{"host with space", "[[targets]]\nhost = \"a b\"",
			`targets[0].host = "a b": must be an IP address or a host name of 1 to 253 octets`},
		{"host with port", "[[targets]]\nhost = \"a:80\"",
			`targets[0].host = "a:80": must be an IP address or a host name of 1 to 253 octets`},
		{"host with separator", "[[targets]]\nhost = \"a|b\"",
			`targets[0].host = "a|b": must be an IP address or a host name of 1 to 253 octets`},
		{"label with separator", "[[targets]]\nhost = \"a\"\nlabel = \"b|c\"",
			`targets[0].label = "b|c": must be 1 to 200 ` + field},
		{"interval of the second target", "[[targets]]\nhost = \"a\"\n[[targets]]\nhost = \"b\"\ninterval = 0.05",
			"targets[1].interval = 0.05: must be 0.1 to 86400000 milliseconds"},
		{"wrong type in the first of two targets",
			"[[targets]]\nhost = \"a\"\nrtt = 1\n\n[[targets]]\nhost = \"b\"\nrtt = true",
			"line 3: targets[0].rtt = 1: must be true or false"},
		{"wrong type in the second of two targets",
			"[[targets]]\nhost = \"a\"\nrtt = true\n\n# comment\n[[targets]]\nhost = \"b\"\nrtt = 1\nsize = 1",
			"line 8: targets[1].rtt = 1: must be true or false"},
		{"wrong type after a value of several lines", "tags = [\n\"a\",\n\"b\",\n]\nsize = true",
			"line 5: size = true: must be an integer, 0 to 65535 octets"},
		{"wrong type in a value of several lines", "size = 1\n\ntags = [\n\"a\",\n5,\n]\n",
			"line 3: tags[1] = 5: must be a string, 1 to 200 " + field},

		{"size above the default maximum", "[[targets]]\nhost = \"a\"\nsize = 1471",
			"targets[0].size = 1471: must be at most max_size = 1470 (the default), in octets"},
		{"inherited size above the maximum", "size = 101\nmax_size = 100\n[[targets]]\nhost = \"a\"",
			"size = 101: must be at most max_size = 100, in octets"},
		{"too many outstanding probes", "timeout = 100.001\n[[targets]]\nhost = \"a\"\ninterval = 0.1",
			"timeout = 100.001 and targets[0].interval = 0.1: 1000010 probes could wait for a reply, " +
				"must be at most 1000000 (timeout / interval)"},
		{"spin as long as the interval", "[[targets]]\nhost = \"a\"\ninterval = 0.5\n[engine]\nspin = \"500us\"",
			`engine.spin = "500us" and targets[0].interval = 0.5: spin must be less than every interval`},

		{"metrics a string", `metrics = "cli"`, `line 1: metrics = "cli": must be an array of tables, [[metrics]]`},
		{"backend missing", "[metrics]", "metrics.backend is missing: must be a string, " +
			"cli, log, zeromq, datadog, pushgateway, prometheus or clickhouse"},
		{"backend unknown", "[metrics]\nbackend = \"influx\"", `metrics.backend = "influx": must be ` +
			"cli, log, zeromq, datadog, pushgateway, prometheus or clickhouse"},
		{"backend twice", "[[metrics]]\nbackend = \"cli\"\n[[metrics]]\nbackend = \"cli\"",
			`metrics[1].backend = "cli": must be given once, and metrics[0] has it too`},
		{"key the cli backend does not have", "[metrics]\nbackend = \"cli\"\nhost = \"h\"",
			`unknown key "metrics.host" (known keys here: backend, buffer, format)`},
		{"URL with a password", "[metrics]\nbackend = \"datadog\"\nurl = \"http://u:p@h/\"",
			`metrics.url = "********": must be a URL that begins with http:// or https://, without user, query and fragment`},
		{"timeout as long as datadog's limit", "timeout = 60\n[metrics]\nbackend = \"datadog\"",
			"timeout = 60 and metrics.late_limit = 60 (the default): late_limit must be longer than every timeout"},
		{"timeout of a target longer than datadog's limit",
			"[[targets]]\nhost = \"a\"\ntimeout = 9\n[metrics]\nbackend = \"datadog\"\nlate_limit = 5",
			"metrics.late_limit = 5 and targets[0].timeout = 9: late_limit must be longer than every timeout"},
		{"key the log backend does not have", "[[metrics]]\nbackend = \"log\"\nlevle = \"info\"",
			`unknown key "metrics[0].levle" (did you mean "level"?)`},
		{"level of the log backend unknown", "[metrics]\nbackend = \"log\"\nlevel = \"loud\"",
			`metrics.level = "loud": must be DEBUG, INFO, WARNING, ERROR or CRITICAL`},
		{"level of the log backend below the log level", "[metrics]\nbackend = \"log\"\nlevel = \"debug\"",
			`metrics.level = "debug" and log_level = INFO (the default): ` +
				"log_level must let the level of backend log through"},

		{"engine a number", "engine = 5", "line 1: engine = 5: must be a table, [engine]"},
		{"engine mode unknown", "[engine]\nmode = \"fast\"", `engine.mode = "fast": must be auto, linux or portable`},
		{"isolate unknown", "[engine]\nisolate = \"true\"", `line 2: engine.isolate = "true": must be "auto", true or false`},
		{"isolate a number", "[engine]\nisolate = 1", `line 2: engine.isolate = 1: must be "auto", true or false`},
		{"portable engine isolated", "[engine]\nmode = \"portable\"\nisolate = true",
			`engine.isolate = true and engine.mode = "portable": the portable engine can't have a process of its own`},
		{"lock_memory a string", "[engine]\nlock_memory = \"on\"", `line 2: engine.lock_memory = "on": must be true or false`},
		{"user empty", "user = \"\"", `user = "": must be a name or a number, without control characters`},
		{"group a number", "group = 5", `line 1: group = 5: must be a string, a name or a number, without control characters`},
		{"priority too high", "[engine]\nrealtime_priority = 100",
			"engine.realtime_priority = 100: must be 0 to 99 (0 is off)"},
		{"CPU out of range", "[engine]\ncpus = [0, 1024]", "engine.cpus[1] = 1024: must be 0 to 1023"},
		{"CPU negative", "[engine]\ncpus = [-1]", "engine.cpus[0] = -1: must be 0 to 1023"},
		{"CPU twice", "[engine]\ncpus = [1, 2, 1]", "engine.cpus[2] = 1: must be given once"},
		{"CPUs a number", "[engine]\ncpus = 1", "line 2: engine.cpus = 1: must be a list of integers"},
		{"spin without unit", "[engine]\nspin = \"50\"",
			`engine.spin = "50": must be a duration of 0s to 10ms, such as "50us"`},
		{"spin too long", "[engine]\nspin = \"11ms\"",
			`engine.spin = "11ms": must be a duration of 0s to 10ms, such as "50us"`},
		{"spin negative", "[engine]\nspin = \"-1us\"",
			`engine.spin = "-1us": must be a duration of 0s to 10ms, such as "50us"`},
		{"spin a number", "[engine]\nspin = 50",
			`line 2: engine.spin = 50: must be a string, a duration of 0s to 10ms, such as "50us"`},
		{"transmit timestamps unknown", "[engine]\ntx_timestamps = \"on\"",
			`engine.tx_timestamps = "on": must be auto or off`},
		{"ring size no power of two", "[engine]\nring_size = 1000000",
			"engine.ring_size = 1000000: must be a power of two, 1024 to 16777216 samples"},
		{"ring size too small", "[engine]\nring_size = 512",
			"engine.ring_size = 512: must be a power of two, 1024 to 16777216 samples"},
		{"ring size too big", "[engine]\nring_size = 33554432",
			"engine.ring_size = 33554432: must be a power of two, 1024 to 16777216 samples"},

		{"a letter too many", "intervall = 1", `unknown key "intervall" (did you mean "interval"?)`},
		{"a dash for an underscore", "tcp-port = 1", `unknown key "tcp-port" (did you mean "tcp_port"?)`},
		{"capital letters", "Interval = 1", `unknown key "Interval" (did you mean "interval"?)`},
		{"a section misspelt", "[engin]", `unknown key "engin" (did you mean "engine"?)`},
		{"a key of the top in a target", "[[targets]]\nhost = \"h\"\nmax_size = 9",
			`unknown key "targets[0].max_size" (known keys here: ` +
				"auth_key, auth_key_file, dscp, host, interval, label, max_lost, owd_at_sender, protocol, " +
				"ptp_utc_offset, rtt, size, stamp_format, tags, tcp_latency, tcp_port, timeout, ttl, type, udp_port)"},
		{"a key like no other", "[engine]\nfrobnicate = 1", `unknown key "engine.frobnicate" ` +
			`(known keys here: cpus, isolate, lock_memory, mode, realtime_priority, ring_size, spin, tx_timestamps)`},
		{"a key that needs quotes", `"tcp port" = 1`, `unknown key "tcp port" (did you mean "tcp_port"?)`},
		{"a key with a line break", `"tcp\nport" = 1`, `unknown key "tcp\nport" (did you mean "tcp_port"?)`},
		{"several unknown keys", "zzz = 1\nintervall = 1", `unknown key "intervall" (did you mean "interval"?)`},

		{"a table where a number is wanted", "[size]\na = 1", "line 1: size = {…}: must be an integer, 0 to 65535 octets"},
		{"tables where a number is wanted", "[[size]]\na = 1", "line 1: size = [{…}]: must be an integer, 0 to 65535 octets"},
		{"a boolean where a number is wanted", "size = true", "line 1: size = true: must be an integer, 0 to 65535 octets"},
		{"no UTF-8", "name = \"\xff\"", "line 1: "},
		{"no TOML", "tcp_port = 1\nwhat", "line 2: "},
		{"a key twice", "rtt = true\nrtt = true", "line 2: Key 'rtt' has already been defined."},
		{"a string without end", "name = \"a\nb = 1", "line 1: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(test.text, Overrides{})
			if strings.HasSuffix(test.want, ": ") {
				checkPrefix(t, err, "latency.toml: "+test.want)
				return
			}
			checkError(t, err, "latency.toml: "+test.want)
		})
	}
}

func TestTheSameErrorEveryTime(t *testing.T) {
	const text = "interval = 0\nzzz = 1\nyyy = 1\ntimeout = 0\n[engine]\nxxx = 1\nring_size = 1\n[metrics]\nbackend = 1"
	for range 100 {
		_, err := load(text, Overrides{})
		checkError(t, err, "latency.toml: interval = 0: must be 0.1 to 86400000 milliseconds")
	}
}

func TestLineIsFoundInALongFile(t *testing.T) {
	var text strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&text, "[[targets]]\nhost = \"h%d\"\nrtt = true\n", i)
	}
	wrong := strings.Replace(text.String(), "\"h1234\"\nrtt = true", "\"h1234\"\nrtt = 1", 1)
	_, err := load(wrong, Overrides{})
	checkError(t, err, "latency.toml: line 3705: targets[1234].rtt = 1: must be true or false")
}

func TestLineIsLeftOutIfItTakesTooLongToFind(t *testing.T) {
	var text strings.Builder
	text.WriteString("targets = [\n")
	for i := range 2000 {
		fmt.Fprintf(&text, "{host = \"h%d\", rtt = 1},\n", i)
	}
	text.WriteString("]\n")
	_, err := load(text.String(), Overrides{})
	checkError(t, err, "latency.toml: targets[0].rtt = 1: must be true or false")
}
