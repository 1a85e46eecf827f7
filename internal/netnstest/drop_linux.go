package netnstest

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// Loss says which of the packets that arrive at a host are dropped: the match picks packets, and of
// those every Every'th is dropped, starting with number First (from 0, below Every). Every = 1
// drops all.
type Loss struct {
	Every int
	First int
	IPv6  bool     // else IPv4
	Match []string // iptables options, such as "-p", "udp", "--dport", "8001"; empty means all packets
}

// Drop is a loss in effect.
type Drop struct {
	host  *Host
	tool  string // iptables or ip6tables
	chain string // holds the rule alone, so that its counter can be found again
	match []string
}

// Drop puts the loss into effect until Remove or the end of the lab. It skips the test when there is
// no iptables.
func (h *Host) Drop(t testing.TB, loss Loss) *Drop {
	t.Helper()
	d := &Drop{
		host:  h,
		tool:  "iptables",
		chain: fmt.Sprintf("lm-drop-%d", h.drops.Add(1)),
		match: loss.Match,
	}
	if loss.IPv6 {
		d.tool = "ip6tables"
	}
	if _, err := exec.LookPath(d.tool); err != nil {
		t.Skipf("needs %s, to drop packets", d.tool)
	}
	d.run(t, "-N", d.chain)
	d.run(t, append([]string{"-A", d.chain, "-j", "DROP"}, loss.statistic()...)...)
	d.run(t, append([]string{"-A", "INPUT", "-j", d.chain}, d.match...)...)
	return d
}

func (l Loss) statistic() []string {
	if l.Every == 1 {
		return nil
	}
	return []string{
		"-m", "statistic", "--mode", "nth",
		"--every", strconv.Itoa(l.Every), "--packet", strconv.Itoa(l.First),
	}
}

// Dropped returns how many packets were dropped so far.
func (d *Drop) Dropped(t testing.TB) int {
	t.Helper()
	// Two heading lines, then the rule, which starts with its packet count.
	listing := d.run(t, "-L", d.chain, "-nvx")
	lines := strings.Split(listing, "\n")
	if len(lines) < 3 {
		t.Fatalf("%s: no rule in %q", d.tool, listing)
	}
	var packets int
	if _, err := fmt.Sscan(lines[2], &packets); err != nil {
		t.Fatalf("%s: counter in %q: %v", d.tool, lines[2], err)
	}
	return packets
}

// Remove ends the loss. Dropped cannot be called any more.
func (d *Drop) Remove(t testing.TB) {
	t.Helper()
	d.run(t, append([]string{"-D", "INPUT", "-j", d.chain}, d.match...)...)
	d.run(t, "-F", d.chain)
	d.run(t, "-X", d.chain)
}

func (d *Drop) run(t testing.TB, args ...string) string {
	t.Helper()
	return d.host.Run(t, d.tool, append([]string{"-w"}, args...)...)
}
