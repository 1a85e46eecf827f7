package main_test

import (
	"fmt"
	"testing"
)

// The standard's port is privileged. A daemon that was started as root answers there, and at its own one,
// after it has become somebody else.
func TestStampPortIsAnsweredAfterRightsAreDropped(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testStampPortIsAnsweredAfterRightsAreDropped)
}

func testStampPortIsAnsweredAfterRightsAreDropped(t *testing.T, m mode) {
	link := twoHosts(t)
	nobody := identities(t)[1]
	b := start(t, spec{mode: m, on: link.B.Host, name: "b", config: nobody.config + "stamp_port = 862\n"})
	s, ok := statusOf(b.cmd.Process.Pid)
	if !ok {
		t.Fatal("the daemon has no status")
	}
	if err := nobody.is(s); err != nil {
		t.Error(err)
	}
	config := "interval = 10\ntype = \"udp\"\n"
	var series []string
	for _, f := range families() {
		for port, protocol := range map[int]string{862: "stamp", 8001: "auto"} {
			label := fmt.Sprintf("b over %s at %d", f.name, port)
			config += fmt.Sprintf("[[targets]]\nhost = %q\nlabel = %q\nudp_port = %d\nprotocol = %q\n", f.addr(link.B), label, port, protocol)
			series = append(series, seriesOf("udp.wan.rtt", "source:a", "target:"+label))
		}
	}
	a := start(t, spec{mode: m, on: link.A.Host, name: "a", config: config})
	a.waitPoints(30, series...)
	outA, countersA := a.stop()
	sent := countersA.of("slots_sent")
	b.waitPoints(sent, seriesOf("udp.wan.owd", "source:a", "target:b"))
	outB, countersB := b.stop()

	checkProber(outA, countersA)
	checkReceiver(outB, countersB, sent)
	countersA.want("lost", 0, "stamp_upgrades", 2)
}
