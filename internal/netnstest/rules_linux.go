package netnstest

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// rules is a chain of firewall rules that some packets of a host go through.
type rules struct {
	host   *Host
	tool   string // iptables or ip6tables
	table  string
	hook   string   // the chain of the kernel's that leads to ours
	match  []string // picks the packets
	chain  string
	chains []string // chain and those that it leads to
}

// rules makes an empty chain. It skips the test when there is no iptables.
func (h *Host) rules(t testing.TB, name string, ipv6 bool, table, hook string, match []string) rules {
	t.Helper()
	r := rules{host: h, tool: "iptables", table: table, hook: hook, match: match}
	if ipv6 {
		r.tool = "ip6tables"
	}
	if _, err := exec.LookPath(r.tool); err != nil {
		t.Skipf("needs %s, to %s packets", r.tool, name)
	}
	r.chain = fmt.Sprintf("lm-%s-%d", name, h.chains.Add(1))
	r.chains = []string{r.chain}
	r.run(t, "-N", r.chain)
	return r
}

// add puts a rule at the end of one of the chains.
func (r *rules) add(t testing.TB, chain, target string, options []string) {
	t.Helper()
	r.run(t, append([]string{"-A", chain, "-j", target}, options...)...)
}

// begin leads packets to the chain.
func (r *rules) begin(t testing.TB) {
	t.Helper()
	r.run(t, append([]string{"-A", r.hook, "-j", r.chain}, r.match...)...)
}

// counted returns how many packets the rules of one of the chains were applied to so far.
func (r *rules) counted(t testing.TB, chain string) int {
	t.Helper()
	// Two heading lines, then the rules, which start with their packet count.
	listing := r.run(t, "-L", chain, "-nvx")
	lines := strings.Split(strings.TrimSpace(listing), "\n")
	if len(lines) < 3 {
		t.Fatalf("%s: no rule in %q", r.tool, listing)
	}
	sum := 0
	for _, line := range lines[2:] {
		var packets int
		if _, err := fmt.Sscan(line, &packets); err != nil {
			t.Fatalf("%s: counter in %q: %v", r.tool, line, err)
		}
		sum += packets
	}
	return sum
}

// Remove ends the effect. Nothing is counted any more, and no other method must be called.
func (r *rules) Remove(t testing.TB) {
	t.Helper()
	r.run(t, append([]string{"-D", r.hook, "-j", r.chain}, r.match...)...)
	for _, chain := range r.chains {
		r.run(t, "-F", chain)
	}
	for _, chain := range r.chains {
		r.run(t, "-X", chain)
	}
}

func (r *rules) run(t testing.TB, args ...string) string {
	t.Helper()
	return r.host.Run(t, r.tool, r.args(args)...)
}

func (r *rules) args(args []string) []string { return append([]string{"-w", "-t", r.table}, args...) }
