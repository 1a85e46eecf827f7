package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVersionIsPrinted(t *testing.T) {
	got := runToEnd(t, "what?", "--version") // no configuration is read
	if want := (result{stdout: "latency-monitor " + testVersion + "\n"}); got != want {
		t.Errorf("--version: %+v, want %+v", got, want)
	}
}

func TestHelpIsPrinted(t *testing.T) {
	help, err := os.ReadFile("testdata/help.golden")
	if err != nil {
		t.Fatal(err)
	}
	want := result{stdout: string(help)}
	for _, option := range []string{"-h", "--help"} {
		if got := runToEnd(t, "what?", option); got != want {
			t.Errorf("%s: %+v, want %+v", option, got, want)
		}
	}
	for _, example := range []string{
		"\n    latency-monitor\n",
		"\n    latency-monitor -l DEBUG -f latency.log\n",
		"\n    latency-monitor -c latency.toml --no-tcp-latency --no-rtt\n",
		"\n    latency-monitor -c latency.toml --no-tcp --no-rtt -i 1\n",
	} {
		if !strings.Contains(want.stdout, example) {
			t.Errorf("the help lacks the example %q", example)
		}
	}
}

// The effective configuration is a configuration, and it is in effect what it was made from.
func TestCheckConfigPrintsWhatLoadsToTheSame(t *testing.T) {
	for _, test := range []struct{ name, config, args string }{
		{"nothing configured", "", "-n a"},
		{"options", "", "-n a -m log --tcp-port 1 --udp-port 2 -l warning -f log -s 64 -x 3 -T 0.5 -i 0.1"},
		{"options over a file", "name = \"b\"\ninterval = 5\nlog_level = \"debug\"\n" +
			"[[targets]]\nhost = \"c\"\ninterval = 7\ntags = [\"it's\", 'a \"tag\"']", "-n a -i 1 --no-tcp --no-rtt"},
		{"an engine and two backends", "name = \"a\"\n[engine]\nmode = \"portable\"\ncpus = [0]\nspin = \"50us\"\n" +
			"[[metrics]]\nbackend = \"cli\"\n[[metrics]]\nbackend = \"log\"\nlevel = \"error\"", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			first := runToEnd(t, test.config, append(strings.Fields(test.args), "--check-config")...)
			if first.status != 0 || first.stderr != "" || !strings.Contains(first.stdout, "name = \"a\"\n") {
				t.Fatalf("--check-config: %+v, want status 0 and a configuration", first)
			}
			if second := runToEnd(t, first.stdout, "--check-config"); second != first {
				t.Errorf("what was printed loads to %+v\nwant %+v", second, first)
			}
		})
	}
}

// The annex is a configuration that users of the reference implementation have.
func TestAnnexLoadsUnchangedAndItsSecretIsMasked(t *testing.T) {
	const dir = "../../internal/config/testdata"
	annex, err := filepath.Abs(filepath.Join(dir, "annex.toml"))
	if err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile(filepath.Join(dir, "annex.golden.toml"))
	if err != nil {
		t.Fatal(err)
	}
	want := result{stdout: string(golden)}
	got := runToEnd(t, "", "-c", annex, "--check-config")
	if got != want {
		t.Errorf("--check-config: %+v\nwant %+v", got, want)
	}
	if strings.Contains(got.stdout, `"secure"`) {
		t.Errorf("the password is printed:\n%s", got.stdout)
	}
	runToEnd(t, got.stdout, "--check-config").checkRefused(t, 2, `latency.toml: metrics[0].password = "********": `+
		"must be the secret itself: this is what stands for it where a configuration is printed")
	with := strings.Replace(got.stdout, `"********"`, `"secure"`, 1)
	if again := runToEnd(t, with, "--check-config"); again != got {
		t.Errorf("what was printed, with the secret, loads to %+v\nwant %+v", again, got)
	}
}
