package netnstest

import (
	"fmt"
	"testing"
)

// Remarking says what becomes of the TOS or Traffic Class octet of packets that arrive at a host.
type Remarking struct {
	TOS   uint8    // the new octet
	Mask  uint8    // its bits that are changed: 0xfc are the DSCP (RFC 2474), 0x03 the ECN (RFC 3168)
	IPv6  bool     // else IPv4
	Match []string // iptables options, such as "-p", "udp", "--dport", "8001"; empty means all packets
}

// Remark is a re-marking in effect.
type Remark struct{ rules }

// Remark puts the re-marking into effect until Remove or the end of the lab. It skips the test when
// there is no iptables, or no target TOS for it in the kernel (CONFIG_NETFILTER_XT_TARGET_DSCP).
func (h *Host) Remark(t testing.TB, remarking Remarking) *Remark {
	t.Helper()
	m := &Remark{rules: h.rules(t, "remark", remarking.IPv6, "mangle", "PREROUTING", remarking.Match)}
	value := fmt.Sprintf("%#02x/%#02x", remarking.TOS, remarking.Mask)
	rule := m.args([]string{"-A", m.chain, "-j", "TOS", "--set-tos", value})
	if _, err := command("ip", h.netnsExec(m.tool, rule)...); err != nil {
		t.Skipf("needs the target TOS of %s: %v", m.tool, err)
	}
	m.begin(t)
	return m
}

// Remarked returns how many packets were re-marked so far, also those that had the new octet already.
func (m *Remark) Remarked(t testing.TB) int {
	t.Helper()
	return m.counted(t, m.chain)
}
