package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

const (
	firstKey  = "the first key, of 32 octets, text"
	secondKey = "hex:000102030405060708090a0b0c0d0e0f"
	// otherKey is one that nobody answers to.
	otherKey = "base64:AAECAwQFBgcICQoLDA0OEA=="
)

// keyFile writes a file with keys that only its owner can read.
func keyFile(t *testing.T, keys ...string) string {
	t.Helper()
	text := "# keys of the test\n"
	for _, key := range keys {
		text += key + "\n"
	}
	file := filepath.Join(t.TempDir(), "latency.keys")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// authenticated configures a daemon on loopback that answers to these keys and nothing else.
func authenticated(t *testing.T, keys ...string) (config string, port int) {
	config, _, port = onLoopback(t)
	return config + fmt.Sprintf("tcp = false\nrequire_auth = true\nauth_keys_file = %q\n", keyFile(t, keys...)), port
}

// probeLoopback configures a daemon that probes another on loopback, over UDP.
func probeLoopback(t *testing.T, port int) string {
	config, _, _ := onLoopback(t)
	return config + probeUDP(loopback, 10, 1) + fmt.Sprintf("udp_port = %d\n", port)
}

// A reflector that requires authentication measures with those who have its key. It answers nobody else,
// and counts why.
func TestOnlyProbersWithTheKeyAreAnswered(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testOnlyProbersWithTheKeyAreAnswered)
}

func testOnlyProbersWithTheKeyAreAnswered(t *testing.T, m mode) {
	for _, test := range []struct{ name, config, wantReason string }{
		{"the key", fmt.Sprintf("auth_key_file = %q\n", keyFile(t, firstKey)), ""},
		{"another key", fmt.Sprintf("auth_key_file = %q\n", keyFile(t, otherKey)), "probes_forged"},
		{"STAMP without a key", "protocol = \"stamp\"\n", "probes_unauthenticated"},
		{"text", "protocol = \"text\"\n", "probes_unauthenticated"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			config, port := authenticated(t, secondKey, firstKey)
			b := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "b", config: config})
			a := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: probeLoopback(t, port) + test.config})
			if test.wantReason == "" {
				a.waitPoints(30, "udp.wan.rtt")
			} else {
				a.waitLogged(1, `target "b" (udp) does not answer`)
			}
			outA, countersA := a.stop()
			outB, countersB := b.stop()

			checkProber(outA, countersA)
			checkPrinted(outB, countersB)
			sent := countersA.of("slots_sent")
			countersA.want("replies_forged", 0, "malformed", 0, "stamp_upgrades", 0, "stamp_fallbacks", 0)
			if test.wantReason == "" {
				countersA.want("answered", sent)
				countersB.want("probes_received", sent, "probes_forged", 0, "probes_unauthenticated", 0)
				wantSeries(t, outB, map[string]int{seriesOf("udp.wan.owd", "source:a", "target:b"): sent})
				return
			}
			countersA.want("lost", sent)
			countersB.want("probes_received", 0, "probes_reflected", 0, test.wantReason, sent, "sessions_opened", 0)
			wantSeries(t, outB, nil)
		})
	}
}

// A reflector without keys takes no authenticated probe for one without authentication.
func TestReflectorWithoutKeysDoesNotAnswerAuthenticatedProbes(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testReflectorWithoutKeysDoesNotAnswerAuthenticatedProbes)
}

func testReflectorWithoutKeysDoesNotAnswerAuthenticatedProbes(t *testing.T, m mode) {
	config, _, port := onLoopback(t)
	b := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "b", config: config})
	key := fmt.Sprintf("auth_key_file = %q\n", keyFile(t, firstKey))
	a := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: probeLoopback(t, port) + key})
	a.waitLogged(1, `target "b" (udp) does not answer`)
	outA, countersA := a.stop()
	_, countersB := b.stop()

	checkProber(outA, countersA)
	countersA.want("answered", 0)
	countersB.want("probes_bad_estimate", countersA.of("slots_sent"), "probes_received", 0)
}

// A file with keys that others can read is refused at the start, whatever it is for.
func TestKeyFileThatOthersCanReadIsRefused(t *testing.T) {
	for _, test := range []struct{ key, config string }{
		{"auth_keys_file", ""},
		{"auth_key_file", "[[targets]]\nhost = \"192.0.2.1\"\n"},
	} {
		t.Run(test.key, func(t *testing.T) {
			file := filepath.Join(buildDir, test.key) // what is refused is quoted up to a length
			if err := os.WriteFile(file, []byte(firstKey), 0o644); err != nil {
				t.Fatal(err)
			}
			runToEnd(t, fmt.Sprintf("%s = %q\n", test.key, file)+test.config).checkRefused(t, 2, fmt.Sprintf(
				"latency.toml: %s = %q: must not be readable or writable by group or others: its mode is 0644, make it 0600", test.key, file))
		})
	}
}
