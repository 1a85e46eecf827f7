package main_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// referenceClients are the configurations of the recorded clients, by case.
var referenceClients = map[string]struct {
	size int
	tags []string
}{
	"default":            {1470, nil},
	"size200-tags":       {200, []string{"isp:local", "location:laptop"}},
	"size1-nopad":        {1, []string{"isp:local"}},
	"tag-quotes-unicode": {300, []string{`note:it's "q"`, "city:Zürich", `a:b\c`}},
}

// tomlList writes a list of strings; what Go escapes in these, TOML does, too.
func tomlList(list []string) string {
	quoted := make([]string, 0, len(list))
	for _, s := range list {
		quoted = append(quoted, strconv.Quote(s))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// withSeqAndTime makes a recorded message one of now: SEQ of the probe, the time of ours.
func withSeqAndTime(recorded, probe string) string {
	fields := strings.Split(recorded, "|")
	fields[0], _, _ = strings.Cut(probe, "|")
	fields[2] = fmt.Sprint(time.Now().UnixNano())
	return strings.Join(fields, "|")
}

func TestProbesAreThoseOfTheReferenceClient(t *testing.T) {
	bothWays(t, testProbesAreThoseOfTheReferenceClient)
}

func testProbesAreThoseOfTheReferenceClient(t *testing.T, m mode) {
	for name, client := range referenceClients {
		for _, transport := range []string{"udp", "tcp"} {
			t.Run(transport+"/"+name, func(t *testing.T) {
				t.Parallel()
				recorded := vectors(t, func(v vector) bool { return v.fromClient() && v.name() == transport+"/"+name })
				reply := recorded[0].reply(t)
				peer := startPeer(t, transport, client.size, func(probe string) string { return withSeqAndTime(reply, probe) })
				config := peer.target(t, transport) + fmt.Sprintf("protocol = \"text\"\nsize = %d\ntags = %s\n", client.size, tomlList(client.tags))
				began := time.Now()
				p := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: clientName, config: config})
				metric := transport + ".wan.rtt"
				series := seriesOf(metric, append([]string{"source:" + clientName, "target:peer"}, client.tags...)...)
				p.waitPoints(120, series) // the numbers have begun again
				out, c := p.stop()

				checkEveryProbeMeasured(t, out, c, metric)
				for i, probe := range peer.first(len(recorded)) {
					if want := recorded[i].sent(t); anyTime(probe) != anyTime(want) {
						t.Errorf("probe %d is %q, want %q but for the time", i, probe, want)
					}
					at, _ := strconv.ParseInt(strings.Split(probe, "|")[2], 10, 64)
					if sent := time.Unix(0, at); sent.Before(began) || sent.After(time.Now()) {
						t.Errorf("probe %d is of %v, want between %v and now", i, sent, began)
					}
				}
			})
		}
	}
}

func checkEveryProbeMeasured(t *testing.T, out *output, c counters, metric string) {
	t.Helper()
	checkProber(out, c)
	c.want("lost", 0, "malformed", 0, "duplicate", 0, "unmatched", 0)
	if got, want := out.counts[metric], c.of("slots_sent"); got != want {
		t.Errorf("%d points of %s, want %d, one per probe", got, metric, want)
	}
	for _, point := range out.points {
		if point.Value <= 0 {
			t.Errorf("%s of %d ns, want more than 0", point.Metric, point.Value)
		}
	}
}

// The replies have the recorded name, tags and padding, whatever the probes have.
func TestRepliesOfTheReferenceServerAreMeasured(t *testing.T) {
	bothWays(t, testRepliesOfTheReferenceServerAreMeasured)
}

func testRepliesOfTheReferenceServerAreMeasured(t *testing.T, m mode) {
	for _, v := range vectors(t, func(v vector) bool { return v.ReplyHex != "" }) {
		switch v.name() {
		case "udp/bad-timestamp": // see TestReplyWithoutAValidNumberIsMalformed
			continue
		case "tcp/non-zero-padding": // our probes have none that it could be the answer to
			continue
		}
		t.Run(v.name(), func(t *testing.T) {
			t.Parallel()
			reply := v.reply(t)
			peer := startPeer(t, v.Transport, 0, func(probe string) string { return withSeqAndTime(reply, probe) })
			p := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: clientName, config: peer.target(t, v.Transport)})
			metric := v.Transport + ".wan.rtt"
			p.waitPoints(20, metric)
			out, c := p.stop()
			checkEveryProbeMeasured(t, out, c, metric)
		})
	}
}

// The reference server answers with SEQ 101 what it could not read.
func TestReplyWithoutAValidNumberIsMalformed(t *testing.T) {
	bothWays(t, testReplyWithoutAValidNumberIsMalformed)
}

func testReplyWithoutAValidNumberIsMalformed(t *testing.T, m mode) {
	unread := vectors(t, func(v vector) bool { return v.name() == "udp/bad-timestamp" })[0].reply(t)
	peer := startPeer(t, "udp", 0, func(string) string { return unread })
	p := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: clientName, config: peer.target(t, "udp") + "timeout = 0.05\n"})
	p.waitPoints(20, "udp.wan.loss")
	out, c := p.stop()
	checkProber(out, c)
	c.want("answered", 0, "malformed", len(peer.received()))
	if n := out.counts["udp.wan.rtt"]; n > 0 {
		t.Errorf("%d round-trip times printed, want none", n)
	}
}
