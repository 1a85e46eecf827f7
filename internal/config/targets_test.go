package config

import (
	"reflect"
	"testing"
	"time"
)

// only returns the one target of a configuration.
func only(t *testing.T, c Config) Target {
	t.Helper()
	if len(c.Targets) != 1 {
		t.Fatalf("%d targets, want 1", len(c.Targets))
	}
	return c.Targets[0]
}

func TestTargetsInheritAndOverride(t *testing.T) {
	for _, test := range []struct {
		name   string
		top    string
		target string
		want   func(*Target)
	}{
		{"nothing set", "", "", func(*Target) {}},
		{"everything inherited", "tcp_port = 1\nudp_port = 2\ntype = \"TCP\"\nrtt = false\ntcp_latency = false\n" +
			"size = 3\ninterval = 0.1\ntimeout = 0.5\nmax_lost = 4\ntags = [\"a\"]", "",
			func(t *Target) {
				*t = Target{t.Host, "", []string{"a"}, true, false, 1, 2, false, false, 3,
					100 * time.Microsecond, 500 * time.Millisecond, 4, 0, 0, t.Stamp}
			}},
		{"everything its own", "tcp_port = 1\nudp_port = 2\ntype = \"tcp\"\nrtt = false\ntcp_latency = false\n" +
			"size = 3\ninterval = 4\ntimeout = 5\nmax_lost = 6\ntags = [\"a\", \"b\"]",
			"label = \"l\"\ntcp_port = 10\nudp_port = 20\ntype = \"Udp\"\nrtt = true\ntcp_latency = true\n" +
				"size = 30\ninterval = 86400000\ntimeout = 50\nmax_lost = 60\ntags = [\"c\"]",
			func(t *Target) {
				*t = Target{t.Host, "l", []string{"c"}, false, true, 10, 20, true, true, 30,
					24 * time.Hour, 50 * time.Second, 60, 0, 0, t.Stamp}
			}},
		{"tags taken away", `tags = ["a"]`, "tags = []", func(*Target) {}},
		{"an interval with a fraction", "", "interval = 0.25",
			func(t *Target) { t.Interval = 250 * time.Microsecond }},
		{"an integer written as a float", "", "interval = 1e3", func(*Target) {}},
		{"a size of the maximum", "max_size = 100", "size = 100", func(t *Target) { t.Size = 100 }},
		{"a transport that is switched off", "tcp = false", "", func(t *Target) { t.TCP = false }},
		{"its only transport switched off", "tcp = false", `type = "tcp"`,
			func(t *Target) { t.TCP, t.UDP = false, false }},
		{"as many outstanding probes as possible", "", "timeout = 100\ninterval = 0.1",
			func(t *Target) { t.Timeout, t.Interval = 100*time.Second, 100*time.Microsecond }},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := test.top + "\n[[targets]]\nhost = \"h\"\n" + test.target
			want := plainTarget("h")
			test.want(&want)
			if got := only(t, mustLoad(t, text, Overrides{})); !reflect.DeepEqual(got, want) {
				t.Errorf("load(%q) = %+v, want %+v", text, got, want)
			}
		})
	}
}

func TestTargetIsNamedByLabelThenHost(t *testing.T) {
	if got := (Target{Host: "h", Label: "l"}).Name(); got != "l" {
		t.Errorf("name with label = %q, want l", got)
	}
	if got := (Target{Host: "h"}).Name(); got != "h" {
		t.Errorf("name without label = %q, want h", got)
	}
}

func TestHostsThatAreAccepted(t *testing.T) {
	for _, host := range []string{
		"127.0.0.1", "::1", "fe80::1%eth0", "localhost", "lm.example.com", "lm.example.com.", "under_score",
		"münchen.example",
	} {
		if got := only(t, mustLoad(t, "[[targets]]\nhost = \""+host+"\"", Overrides{})); got.Host != host {
			t.Errorf("host %q was read as %q", host, got.Host)
		}
	}
}

func TestTargetsThatCanBeToldApart(t *testing.T) {
	for _, test := range []struct{ name, first, second string }{
		{"different hosts", `host = "a"`, `host = "b"`},
		{"different labels", "host = \"a\"\nlabel = \"x\"", "host = \"a\"\nlabel = \"y\""},
		{"different tags", "host = \"a\"\ntags = [\"x\"]", `host = "a"`},
		{"different transports", "host = \"a\"\ntype = \"tcp\"", "host = \"a\"\ntype = \"udp\""},
		{"labels of different case", "host = \"a\"\nlabel = \"x\"", "host = \"a\"\nlabel = \"X\""},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := "[[targets]]\n" + test.first + "\n[[targets]]\n" + test.second
			if c := mustLoad(t, text, Overrides{}); len(c.Targets) != 2 {
				t.Errorf("load(%q) has %d targets, want 2", text, len(c.Targets))
			}
		})
	}
}

func TestDuplicateTargets(t *testing.T) {
	const demand = ": their measurements could not be told apart, must differ in label, tags or type: " +
		"give one a label of its own"
	for _, test := range []struct{ name, first, second, want string }{
		{"the same host", `host = "a"`, `host = "a"`,
			`targets[1].host = "a" and targets[2].host = "a"`},
		{"the same host in another case", `host = "a"`, `host = "A"`,
			`targets[1].host = "a" and targets[2].host = "A"`},
		{"other ports", `host = "a"`, "host = \"a\"\ntcp_port = 1",
			`targets[1].host = "a" and targets[2].host = "a"`},
		{"the same label of different hosts", "host = \"a\"\nlabel = \"x\"", "host = \"b\"\nlabel = \"x\"",
			`targets[1].host = "a" (label "x") and targets[2].host = "b" (label "x")`},
		{"a label that is another's host", "host = \"a\"\nlabel = \"b\"", `host = "b"`,
			`targets[1].host = "a" (label "b") and targets[2].host = "b"`},
		{"one transport in common", `host = "a"`, "host = \"a\"\ntype = \"udp\"",
			`targets[1].host = "a" and targets[2].host = "a"`},
		{"tags in another order", "host = \"a\"\ntags = [\"x\", \"y\"]", "host = \"a\"\ntags = [\"y\", \"x\"]",
			`targets[1].host = "a" and targets[2].host = "a"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := "[[targets]]\nhost = \"z\"\n[[targets]]\n" + test.first + "\n[[targets]]\n" + test.second
			_, err := load(text, Overrides{})
			checkError(t, err, "latency.toml: "+test.want+demand)
		})
	}
}
