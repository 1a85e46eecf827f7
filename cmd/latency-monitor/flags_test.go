package main

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/latency-monitor/latency-monitor/internal/config"
)

var update = flag.Bool("update", false, "write the golden files")

func ptr[T any](v T) *T { return &v }

func TestParseFlags(t *testing.T) {
	for _, test := range []struct {
		name string
		args string
		want options
	}{
		{"no options", "", options{}},
		{"help, long", "--help", options{help: true}},
		{"help, short", "-h", options{help: true}},
		{"version", "--version", options{version: true}},
		{"check of a configuration", "--check-config -c a.toml",
			options{checkConfig: true, overrides: config.Overrides{ConfigFile: ptr("a.toml")}}},
		{"every long option with a value",
			"--config-file c --name n --metrics log --log-level info --log-file f --tcp-port 1 --udp-port 2 " +
				"--max-size 3 --max-lost 4 --timeout 5.5 --interval 0.1",
			options{overrides: config.Overrides{
				ConfigFile: ptr("c"), Name: ptr("n"), Metrics: ptr("log"), LogLevel: ptr("info"),
				LogFile: ptr("f"), TCPPort: ptr(1), UDPPort: ptr(2), MaxSize: ptr(3), MaxLost: ptr(4),
				Timeout: ptr(5.5), Interval: ptr(0.1),
			}}},
		{"every short option with a value", "-c c -n n -m log -l info -f f -s 3 -x 4 -T 5.5 -i 0.1",
			options{overrides: config.Overrides{
				ConfigFile: ptr("c"), Name: ptr("n"), Metrics: ptr("log"), LogLevel: ptr("info"),
				LogFile: ptr("f"), MaxSize: ptr(3), MaxLost: ptr(4), Timeout: ptr(5.5), Interval: ptr(0.1),
			}}},
		{"values with an equals sign or none", "--interval=1 -T2 --name=",
			options{overrides: config.Overrides{Interval: ptr(1.0), Timeout: ptr(2.0), Name: ptr("")}}},
		{"every switch on", "--rtt --tcp --udp --tcp-latency", options{overrides: config.Overrides{
			RTT: ptr(true), TCP: ptr(true), UDP: ptr(true), TCPLatency: ptr(true)}}},
		{"every switch off", "--no-rtt --no-tcp --no-udp --no-tcp-latency", options{overrides: config.Overrides{
			RTT: ptr(false), TCP: ptr(false), UDP: ptr(false), TCPLatency: ptr(false)}}},
		{"short switches together", "-rtu", options{overrides: config.Overrides{
			RTT: ptr(true), TCP: ptr(true), UDP: ptr(true)}}},
		{"the negative half last", "--rtt --no-rtt", options{overrides: config.Overrides{RTT: ptr(false)}}},
		{"the positive half last", "--no-rtt -r", options{overrides: config.Overrides{RTT: ptr(true)}}},
		{"switches with a value", "--rtt=false --no-tcp=false",
			options{overrides: config.Overrides{RTT: ptr(false), TCP: ptr(true)}}},
		{"the last value wins", "-i 1 -i 2", options{overrides: config.Overrides{Interval: ptr(2.0)}}},
		{"a value out of range, which is not for the flags to say", "-i -1",
			options{overrides: config.Overrides{Interval: ptr(-1.0)}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseFlags(strings.Fields(test.args))
			if err != nil {
				t.Fatalf("parseFlags(%q) failed: %v", test.args, err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("parseFlags(%q) = %+v, want %+v", test.args, got, test.want)
			}
		})
	}
}

func TestParseFlagsErrors(t *testing.T) {
	for _, test := range []struct{ name, args, want string }{
		{"a letter too many", "--intervall 1", "unknown option --intervall (did you mean --interval?)"},
		{"an abbreviation of one option", "--check", "unknown option --check (did you mean --check-config?)"},
		{"a misspelt negative", "--no-rrt", "unknown option --no-rrt (did you mean --no-rtt?)"},
		{"an underscore", "--tcp_port=1", "unknown option --tcp_port (did you mean --tcp-port?)"},
		{"far from every option", "--frobnicate", "unknown option --frobnicate (--help lists the options)"},
		{"a letter in the wrong case", "-R", "unknown option -R (did you mean -r, --rtt?)"},
		{"an unknown letter", "-z", "unknown option -z (--help lists the options)"},
		{"an unknown letter among others", "-rz", "unknown option -z (--help lists the options)"},
		{"a long option after a single dash", "-version", "unknown option -version (did you mean --version?)"},
		{"a letter beyond ASCII", "-ü", "unknown option -ü (--help lists the options)"},
		{"no number", "-i fast", "--interval fast: must be a number, 0.1 to 86400000 milliseconds"},
		{"no integer", "--tcp-port 80.5", "--tcp-port 80.5: must be an integer, 1 to 65535"},
		{"an integer beyond 64 bits", "-x 99999999999999999999",
			"--max-lost 99999999999999999999: must be an integer, 1 to 1000000 probes"},
		{"an empty number", "--timeout=", `--timeout "": must be a number, 0.001 to 3600 seconds`},
		{"neither true nor false", "--no-tcp=maybe", "--no-tcp maybe: must be true or false"},
		{"a request neither true nor false", "--help=maybe", "--help maybe: must be true or false"},
		{"a value missing", "-i", "--interval MILLISECONDS: the value is missing: " +
			"must be a number, 0.1 to 86400000 milliseconds"},
		{"a file missing", "--config-file", "--config-file CONFIG_FILE: the value is missing"},
		{"an argument", "-r latency.toml", `unexpected argument "latency.toml": options begin with - or --`},
		{"an argument after dashes", "-- -r", `unexpected argument "-r": options begin with - or --`},
		{"no option name", "--=1", "--=1: not an option"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := parseFlags(strings.Fields(test.args))
			if err == nil || err.Error() != test.want {
				t.Errorf("parseFlags(%q):\n got %v\nwant %s", test.args, err, test.want)
			}
		})
	}
}

func TestFlagErrorsStayOnOneLine(t *testing.T) {
	for _, args := range [][]string{
		{"--a\nb"}, {"-\n"}, {"a\nb"}, {"-i", "a\nb"}, {"--=\n"}, {"--rtt=\n"}, {"-\x80"},
	} {
		_, err := parseFlags(args)
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("parseFlags(%q) = %v, want an error of one line", args, err)
		}
	}
}

func TestHelpText(t *testing.T) {
	const golden = "testdata/help.golden"
	got := helpText()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("help is\n%s\nwant\n%s", got, want)
	}
}

func TestHelpFitsTheScreen(t *testing.T) {
	for line := range strings.Lines(helpText()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
			t.Errorf("line of %d characters, want at most %d: %s", n, helpWidth, line)
		}
	}
}

func TestHelpHasEveryOption(t *testing.T) {
	var o options
	help := helpText()
	for _, name := range optionNames(o.define().flags) {
		if !strings.Contains(help, "--"+name) {
			t.Errorf("help lacks --%s", name)
		}
	}
}

func TestHelpExamplesParse(t *testing.T) {
	var examples int
	for line := range strings.Lines(helpExamples) {
		command, isExample := strings.CutPrefix(strings.TrimSpace(line), "latency-monitor")
		if !isExample {
			continue
		}
		examples++
		if _, err := parseFlags(strings.Fields(command)); err != nil {
			t.Errorf("example %q: %v", line, err)
		}
	}
	if examples != 4 {
		t.Errorf("%d examples, want 4", examples)
	}
}
