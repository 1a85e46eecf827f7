package main_test

import (
	"fmt"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// A key is changed in the README's three steps, by a restart of one end each. Between any two of them all
// probes are authentic, and are measured.
func TestKeyIsChangedWithoutAGap(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testKeyIsChangedWithoutAGap)
}

func testKeyIsChangedWithoutAGap(t *testing.T, m mode) {
	config, _, port := onLoopback(t)
	own, _, _ := onLoopback(t)
	reflector := func(keys ...string) *process {
		return start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "b", config: config +
			fmt.Sprintf("tcp = false\nrequire_auth = true\nauth_keys_file = %q\n", keyFile(t, keys...))})
	}
	prober := func(key string) *process {
		return start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: own + fmt.Sprintf("auth_key_file = %q\n", keyFile(t, key)) +
			probeUDP(loopback, 10, 1) + fmt.Sprintf("udp_port = %d\n", port)})
	}
	stopReflector := func(b *process) {
		out, c := b.stop()
		checkPrinted(out, c)
		c.want("probes_forged", 0, "probes_unauthenticated", 0, "probes_bad_estimate", 0, "probes_malformed", 0)
		if n := out.counts["udp.wan.owd"]; n < 20 {
			t.Errorf("%d delays at the receiver, want 20 or more", n)
		}
	}
	stopProber := func(a *process) {
		out, c := a.stop()
		checkProber(out, c)
		c.want("replies_forged", 0, "malformed", 0)
	}

	b := reflector(firstKey)
	a := prober(firstKey)
	a.waitMore(20, "udp.wan.rtt")

	stopReflector(b) // step 1: both keys are good
	b = reflector(firstKey, secondKey)
	a.waitMore(20, "udp.wan.rtt")

	stopProber(a) // step 2: the new key is used
	a = prober(secondKey)
	a.waitMore(20, "udp.wan.rtt")

	stopReflector(b) // step 3: the old one is gone
	b = reflector(secondKey)
	a.waitMore(20, "udp.wan.rtt")
	stopProber(a)
	stopReflector(b)
}
