package main_test

import (
	"encoding/binary"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// examples are the blocks of a language in a section of the README, in their order; there must be n.
func examples(t *testing.T, section, language string, n int) []string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## "+section+"\n")
	rest, _, _ = strings.Cut(rest, "\n## ")
	var blocks []string
	for _, found := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(rest, -1) {
		blocks = append(blocks, found[1])
	}
	if len(blocks) != n {
		t.Fatalf("README.md has %d examples in %s under %q, want %d", len(blocks), language, section, n)
	}
	return blocks
}

// replaced replaces texts, each of which must be there: old, new, old, new, …
func replaced(t *testing.T, text string, oldAndNew ...string) string {
	t.Helper()
	for i := 0; i < len(oldAndNew); i += 2 {
		if !strings.Contains(text, oldAndNew[i]) {
			t.Fatalf("no %q in the README's\n%s", oldAndNew[i], text)
		}
	}
	return strings.NewReplacer(oldAndNew...).Replace(text)
}

// The README's example measures a router with all that it says that one gets from a simple one, and the
// probes are marked.
func TestReadmesExampleOfProbingARouterWorks(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testReadmesExampleOfProbingARouterWorks)
}

func testReadmesExampleOfProbingARouterWorks(t *testing.T, m mode) {
	link := twoHosts(t)
	config := replaced(t, examples(t, "Probing routers", "toml", 2)[0], "192.0.2.1", link.B.IPv4.String())
	wire := captureAt(t, link.B.Host)
	var reflector router
	answerAt(t, listenAt(t, link.B.Host, link.B.IPv4.String(), stamp.Port), reflector.answer)
	a := start(t, spec{mode: m, on: link.A.Host, name: "host-a", config: config})
	var series []string
	for _, metric := range []string{"udp.wan.rtt", "udp.wan.owd.forward", "udp.wan.owd.backward"} {
		series = append(series, seriesOf(metric, "source:host-a", "target:edge-1", "site:fra"))
	}
	a.waitPoints(15, series...)
	a.waitLogged(1, `probes to target "edge-1" (udp) arrive with TTL 250`)
	out, c := a.stop()

	checkProber(out, c)
	sent := c.of("slots_sent")
	wantSeries(t, out, map[string]int{series[0]: sent, series[1]: sent, series[2]: sent})
	probes := toPort(stamp.Port, wire.datagrams())
	if len(probes) != sent {
		t.Errorf("%d probes on the wire, want %d", len(probes), sent)
	}
	for _, d := range probes {
		if d.tos != voice<<2 || d.ttl != 255 || d.isText() {
			t.Errorf("probe with TOS octet %#x and TTL %d: %x, want %#x, 255 and no text", d.tos, d.ttl, d.data, voice<<2)
		}
	}
}

// With the README's example for the other way round, another program's probes of 14 octets to the
// standard's port are answered, and measured under its IP address. Those from elsewhere are not.
func TestReadmesExampleOfBeingProbedByARouterWorks(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testReadmesExampleOfBeingProbedByARouterWorks)
}

func testReadmesExampleOfBeingProbedByARouterWorks(t *testing.T, m mode) {
	link := twoHosts(t)
	prefix := netip.PrefixFrom(link.A.IPv4, 24).Masked().String()
	config := replaced(t, examples(t, "Probing routers", "toml", 2)[1], "192.0.2.0/24", prefix)
	b := start(t, spec{mode: m, on: link.B.Host, name: "host-a", config: config})
	const probes = 5
	for _, f := range families() {
		conn := listenAt(t, link.A.Host, f.addr(link.A), 0)
		to := netip.AddrPortFrom(netip.MustParseAddr(f.addr(link.B)), stamp.Port)
		for i := range probes {
			if _, err := conn.WriteToUDPAddrPort(shortProbe(byte(i), stamp.MinSenderSize), to); err != nil {
				t.Fatal(err)
			}
			if f.ipv6 { // which is not allowed
				continue
			}
			_ = conn.SetReadDeadline(time.Now().Add(waittest.Patience()))
			reply := make([]byte, 100)
			n, from, err := conn.ReadFromUDPAddrPort(reply)
			if err != nil || from != to || n != stamp.BaseSize || binary.BigEndian.Uint32(reply[24:]) != uint32(i) {
				t.Fatalf("reply to probe %d: %x from %v, %v, want %d octets from %v", i, reply[:n], from, err, stamp.BaseSize, to)
			}
		}
	}
	series := seriesOf("udp.wan.owd", "source:"+link.A.IPv4.String(), "target:host-a")
	b.waitPoints(probes, series)
	out, c := b.stop()
	checkPrinted(out, c)
	c.want("probes_received", probes, "probes_reflected", probes, "probes_not_allowed", probes)
	wantSeries(t, out, map[string]int{series: probes})
}

// Two hosts with the README's example of authentication, and keys made as it says, measure each other,
// and answer nobody else.
func TestReadmesExampleOfAuthenticationWorks(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testReadmesExampleOfAuthenticationWorks)
}

func testReadmesExampleOfAuthenticationWorks(t *testing.T, m mode) {
	link := twoHosts(t)
	dir := t.TempDir()
	makeKeys(t, dir)
	config := examples(t, "Authentication", "toml", 1)[0]
	configA := replaced(t, config, "/etc/", dir+"/", "192.0.2.2", link.B.IPv4.String())
	configB := replaced(t, config, "/etc/", dir+"/", "192.0.2.2", link.A.IPv4.String(), "host-a", "host-b", "host-b", "host-a")
	a := start(t, spec{mode: m, on: link.A.Host, name: "host-a", config: configA, args: []string{"-i", "20"}})
	b := start(t, spec{mode: m, on: link.B.Host, name: "host-b", config: configB, args: []string{"-i", "20"}})
	// Another daemon on the first host, without a key. Over TCP, nobody listens.
	c := start(t, spec{mode: m, on: link.A.Host, name: "c", config: "udp_port = 9001\ntcp_port = 9000\n" +
		probeUDP(link.B.IPv4.String(), 20, 1) + "udp_port = 8001\n"})
	own, others := "udp.wan.rtt source:host-a target:host-b", "udp.wan.owd source:host-b target:host-a"
	a.waitPoints(20, own, others)
	c.waitLogged(1, `target "b" (udp) does not answer`)
	_, countersC := c.stop()
	outA, countersA := a.stop()
	outB, countersB := b.stop()

	checkPrinted(outA, countersA)
	checkPrinted(outB, countersB)
	for _, counters := range []counters{countersA, countersB} {
		counters.want("probes_forged", 0, "replies_forged", 0, "probes_bad_estimate", 0, "stamp_upgrades", 0)
	}
	countersA.want("probes_unauthenticated", 0)
	countersC.want("answered", 0)
	countersB.want("probes_unauthenticated", countersC.of("slots_sent"))
}

// makeKeys runs the README's commands, but for the copy to the other host, in a directory instead of /etc.
func makeKeys(t *testing.T, dir string) {
	t.Helper()
	commands := examples(t, "Authentication", "sh", 1)[0]
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("needs openssl, to make a key as README.md says")
	}
	commands = replaced(t, commands, "scp -p /etc/", "ls -l "+dir+"/", "root@192.0.2.2:/etc/", "", "/etc/", dir+"/")
	cmd := exec.Command("sh", "-ec", commands)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", commands, err, out)
	}
	for _, name := range []string{"latency.key", "latency.keys"} {
		key, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !regexp.MustCompile(`^[0-9a-f]{48}\n$`).Match(key) {
			t.Errorf("%s has %q, %v, want 48 letters", name, key, err)
		}
	}
}
