package main_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// What an error of every text field ends with.
const fieldText = `octets of UTF-8 without "|" and control characters`

// wrongConfig is one mistake a row, which the program must find before it opens a socket.
var wrongConfig = []struct {
	name   string
	config string // of the latency.toml; "" is none
	args   string
	want   string // the line on standard error
}{
	{"a file that was named and is missing", "", "-c missing.toml",
		"--config-file missing.toml: no such file or directory"},
	{"TOML syntax", "rtt = true\nwhat", "", "latency.toml: line 2: unexpected EOF; expected key separator '='"},
	{"a key twice", "rtt = true\nrtt = true", "", "latency.toml: line 2: Key 'rtt' has already been defined."},
	{"an unknown key", "intervall = 1", "", `latency.toml: unknown key "intervall" (did you mean "interval"?)`},
	{"an unknown key of a target", "[[targets]]\nhost = \"a\"\nlable = \"b\"", "",
		`latency.toml: unknown key "targets[0].lable" (did you mean "label"?)`},
	{"an unknown key of the engine", "[engine]\nrealtime_prority = 5", "",
		`latency.toml: unknown key "engine.realtime_prority" (did you mean "realtime_priority"?)`},
	{"a wrong type", "\nrtt = 1", "", "latency.toml: line 2: rtt = 1: must be true or false"},
	{"a wrong type of a target", "[[targets]]\nhost = \"a\"\ninterval = \"fast\"", "",
		`latency.toml: line 3: targets[0].interval = "fast": must be a number, 0.1 to 86400000 milliseconds`},
	{"a wrong type on the command line", "", "-i fast", "--interval fast: must be a number, 0.1 to 86400000 milliseconds"},
	{"out of range", "interval = 0.05", "", "latency.toml: interval = 0.05: must be 0.1 to 86400000 milliseconds"},
	{"out of range in a target", "[[targets]]\nhost = \"a\"\nudp_port = 65536", "",
		"latency.toml: targets[0].udp_port = 65536: must be 1 to 65535"},
	{"out of range on the command line", "", "-T 0", "--timeout 0: must be 0.001 to 3600 seconds"},
	{"a size above what the command line allows", "[[targets]]\nhost = \"a\"\nsize = 1470", "-s 1469",
		"latency.toml: targets[0].size = 1470: must be at most --max-size 1469, in octets"},
	{"both transports off", "tcp = false", "--no-udp",
		"latency.toml: tcp = false and --no-udp: one of tcp and udp must be on"},
	{"a separator in the name", `name = "a|b"`, "", `latency.toml: name = "a|b": must be 1 to 64 ` + fieldText},
	{"a separator in the name on the command line", "", "-n a|b", `--name a|b: must be 1 to 64 ` + fieldText},
	{"a separator in a tag", `tags = ["isp:local", "a|b"]`, "",
		`latency.toml: tags[1] = "a|b": must be 1 to 200 ` + fieldText},
	{"a separator in a tag of a target", "[[targets]]\nhost = \"a\"\ntags = [\"a|b\"]", "",
		`latency.toml: targets[0].tags[0] = "a|b": must be 1 to 200 ` + fieldText},
	{"a target twice", "[[targets]]\nhost = \"a\"\n[[targets]]\nhost = \"b\"\n[[targets]]\nhost = \"a\"", "",
		`latency.toml: targets[0].host = "a" and targets[2].host = "a": their measurements could not be told apart, ` +
			"must differ in label, tags or type: give one a label of its own"},
	{"a header longer than a message", "[[targets]]\nhost = \"a\"\ntags = [\"" + strings.Repeat("t", 99) + "\"]", "-s 64 -n b",
		`latency.toml: target "a": name and tags make messages of 130 octets: must be at most max_size = 64`},
	{"more tags than the protocol has room for",
		"max_size = 65535\n[[targets]]\nhost = \"a\"\ntags = [" + strings.Repeat(`"`+strings.Repeat("t", 200)+`", `, 21) + "]", "",
		`latency.toml: target "a": tags of 4284 octets as the protocol writes them: must be at most 4096`},
	{"STAMP packets longer than a message", "[[targets]]\nhost = \"a\"\ntype = \"udp\"\nprotocol = \"stamp\"", "-s 64 -n b",
		`latency.toml: target "a": name and tags make STAMP packets of 75 octets: must be at most max_size = 64`},
	{"packets with authentication longer than a message",
		"[[targets]]\nhost = \"a\"\ntype = \"udp\"\nrtt = false\nauth_key = \"sixteen octets..\"", "-s 174 -n b",
		`latency.toml: target "a": name and tags make STAMP packets of 175 octets: must be at most max_size = 174`},
	{"more tags than a receiver can write",
		"max_size = 65535\n[[targets]]\nhost = \"a\"\nprotocol = \"stamp\"\ntags = [" + strings.Repeat(`"`+strings.Repeat("t", 200)+`", `, 21) + "]", "",
		`latency.toml: target "a": tags of 4284 octets as the protocol writes them: must be at most 4096`},
	{"a file with a key that is not there", "[[targets]]\nhost = \"a\"\nauth_key_file = \"none.key\"", "",
		`latency.toml: targets[0].auth_key_file = "none.key": no such file or directory`},
	{"a key that is too short", "auth_keys = [\"short\"]", "",
		`latency.toml: auth_keys[0] = "********": must be a key of 16 to 64 octets: text without control characters, hex:… or base64:…`},
	{"an unknown option", "", "--intervall 1", "unknown option --intervall (did you mean --interval?)"},
	{"an argument", "", "latency.toml", `unexpected argument "latency.toml": options begin with - or --`},
	{"an unknown log level", "", "-l loud", "--log-level loud: must be DEBUG, INFO, WARNING, ERROR or CRITICAL"},
	{"a backend log below the log level", "[metrics]\nbackend = \"log\"\nlevel = \"debug\"", "",
		`latency.toml: metrics.level = "debug" and log_level = INFO (the default): ` +
			"log_level must let the level of backend log through"},
	{"a backend log below the log level on the command line", "", "-m log -l ERROR",
		"metrics.level = warning (the default) and --log-level ERROR: " +
			"log_level must let the level of backend log through"},
	{"an unknown backend", "", "-m influx",
		"--metrics influx: must be cli, log, zeromq, datadog, pushgateway, prometheus or clickhouse"},
	{"an unknown backend in the file", "[metrics]\nbackend = \"influx\"", "",
		`latency.toml: metrics.backend = "influx": must be cli, log, zeromq, datadog, pushgateway, prometheus or clickhouse`},
	{"tags that are the same label", "[[targets]]\nhost = \"a\"\nlabel = \"b\"\ntags = [\"isp:x\", \"isp:y\"]\n[metrics]\nbackend = \"prometheus\"", "",
		`latency.toml: target "b": backend prometheus: tags "isp:x" and "isp:y" would both be the label isp`},
	{"a tag that is a reserved label", "tags = [\"instance:x\"]\n[[targets]]\nhost = \"a\"\n[metrics]\nbackend = \"pushgateway\"", "",
		`latency.toml: target "a": backend pushgateway: tag "instance:x" would be the label instance, which is reserved`},
	{"a backend without its secret", "", "-m datadog", "--metrics datadog: metrics.api_key is missing: give it, metrics.api_key_file, or " +
		"the environment variable LATENCY_MONITOR_DATADOG_API_KEY or DD_API_KEY"},
	{"clickhouse without a host", "", "-m clickhouse",
		"--metrics clickhouse: metrics.host is missing: must be a string, an IP address or a host name of 1 to 253 octets"},
	{"clickhouse in the file without a host", "[[metrics]]\nbackend = \"cli\"\n[[metrics]]\nbackend = \"clickhouse\"", "",
		"latency.toml: metrics[1].host is missing: must be a string, an IP address or a host name of 1 to 253 octets"},
	{"a table that can't be quoted", "[metrics]\nbackend = \"clickhouse\"\nhost = \"h\"\ntable = \"a`b\"", "",
		"latency.toml: metrics.table = \"a`b\": must be a name of 1 to 128 letters, digits, _ and -, or database.name"},
	{"too few columns", "[metrics]\nbackend = \"clickhouse\"\nhost = \"h\"\ncolumns = [\"a\"]", "",
		`latency.toml: metrics.columns = ["a"]: must be 5 names, or 4 without the last`},
	{"certificates for nothing", "[metrics]\nbackend = \"clickhouse\"\nhost = \"h\"\nport = 8123\nca_file = \"f\"", "",
		`latency.toml: metrics.ca_file = "f" and metrics.secure = false (the default): certificates need secure = true`},
	{"certificates that are not there", "[metrics]\nbackend = \"clickhouse\"\nhost = \"h\"\nca_file = \"none.pem\"", "",
		`latency.toml: metrics.ca_file = "none.pem": no such file or directory`},
}

// The ports are taken, so the program would complain about that if it opened a socket first.
func TestWrongConfigurationIsRefusedBeforeAnySocketIsOpened(t *testing.T) {
	tcp, udp := takenPorts(t)
	taken := []string{"--tcp-port", fmt.Sprint(tcp), "--udp-port", fmt.Sprint(udp)}
	for _, test := range wrongConfig {
		t.Run(test.name, func(t *testing.T) {
			args := append(strings.Fields(test.args), taken...)
			runToEnd(t, test.config, args...).checkRefused(t, 2, test.want)
		})
	}
}

// What is wrong is wrong for --check-config, too.
func TestCheckConfigFindsWhatIsWrong(t *testing.T) {
	for _, test := range wrongConfig {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"--check-config"}, strings.Fields(test.args)...)
			runToEnd(t, test.config, args...).checkRefused(t, 2, test.want)
		})
	}
}

// takenPorts are ports of the loopback address that nobody else can have before the test ends.
func takenPorts(t *testing.T) (tcp, udp int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return listener.Addr().(*net.TCPAddr).Port, conn.LocalAddr().(*net.UDPAddr).Port
}
