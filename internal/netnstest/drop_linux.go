package netnstest

import (
	"strconv"
	"testing"
)

// maxCount bounds Loss.Count: each of those packets takes a rule.
const maxCount = 100

// Loss says which of the packets that arrive at a host are dropped: the match picks packets, and of
// those every Every'th is dropped, starting with number First (from 0, below Every). Every = 1
// drops all. What the host sends is not touched, so one direction of a path can be lost alone.
type Loss struct {
	Every int
	First int
	Count int      // drop no more than so many, at most 100; 0 = no end
	IPv6  bool     // else IPv4
	Match []string // iptables options, such as "-p", "udp", "--dport", "8001"; empty means all packets
}

// Drop is a loss in effect.
type Drop struct {
	rules
	dropping string // the chain that holds the rules that drop alone, so that their counters can be found
}

// Drop puts the loss into effect until Remove or the end of the lab. It skips the test when there is
// no iptables.
func (h *Host) Drop(t testing.TB, loss Loss) *Drop {
	t.Helper()
	if loss.Count > maxCount {
		t.Fatalf("netnstest: a loss of %d packets, want at most %d", loss.Count, maxCount)
	}
	d := &Drop{rules: h.rules(t, "drop", loss.IPv6, "filter", "INPUT", loss.Match)}
	d.dropping = d.chain
	if loss.Count == 0 {
		d.add(t, d.chain, "DROP", nth(loss.Every, loss.First))
	} else {
		d.dropping = d.chain + "-n"
		d.chains = append(d.chains, d.dropping)
		d.run(t, "-N", d.dropping)
		// Each rule takes one packet, the first that reaches it.
		const once = 1<<31 - 1
		for range loss.Count {
			d.add(t, d.dropping, "DROP", nth(once, 0))
		}
		d.add(t, d.chain, d.dropping, nth(loss.Every, loss.First))
	}
	d.begin(t)
	return d
}

// nth matches every every'th packet, starting with number first (statistic in iptables-extensions(8)).
func nth(every, first int) []string {
	if every == 1 {
		return nil
	}
	return []string{
		"-m", "statistic", "--mode", "nth",
		"--every", strconv.Itoa(every), "--packet", strconv.Itoa(first),
	}
}

// Dropped returns how many packets were dropped so far.
func (d *Drop) Dropped(t testing.TB) int {
	t.Helper()
	return d.counted(t, d.dropping)
}
