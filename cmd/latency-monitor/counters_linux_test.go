package main_test

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// counters are the fields of a daemon's log line "counters".
type counters struct {
	t      *testing.T
	owner  string
	fields map[string]string
}

// counters reads the last "counters" line of a daemon that has ended; it is an error if another line
// follows it.
func (p *process) counters(out *output) counters {
	p.t.Helper()
	c := counters{t: p.t, owner: p.name, fields: map[string]string{}}
	if len(out.log) == 0 {
		p.t.Fatalf("%s: nothing was logged", p.name)
	}
	last := out.log[len(out.log)-1]
	_, fields, ok := strings.Cut(last, " INFO counters ")
	if !ok {
		p.t.Fatalf("%s: the last log line is %q, want the counters", p.name, last)
	}
	for field := range strings.FieldsSeq(fields) {
		name, value, _ := strings.Cut(field, "=")
		c.fields[name] = strings.Trim(value, `"`)
	}
	return c
}

// of is a counter; one that is not in the line is 0.
func (c counters) of(name string) int {
	c.t.Helper()
	text, ok := c.fields[name]
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		c.t.Fatalf("%s: counter %s=%s: %v", c.owner, name, text, err)
	}
	return n
}

// duration is a field that is a duration.
func (c counters) duration(name string) time.Duration {
	c.t.Helper()
	d, err := time.ParseDuration(c.fields[name])
	if err != nil {
		c.t.Fatalf("%s: %s=%s: %v", c.owner, name, c.fields[name], err)
	}
	return d
}

// want checks counters: name, value, name, value, …
func (c counters) want(namesAndValues ...any) {
	c.t.Helper()
	for i := 0; i < len(namesAndValues); i += 2 {
		name, want := namesAndValues[i].(string), namesAndValues[i+1].(int)
		if got := c.of(name); got != want {
			c.t.Errorf("%s: counter %s = %d, want %d", c.owner, name, got, want)
		}
	}
}

// checkProber checks the accounts of a daemon that probed: every probe is answered or lost or asked for
// no reply, and everything that was measured was printed.
func checkProber(out *output, c counters) {
	c.t.Helper()
	answered, lost, oneWay := c.of("answered"), c.of("lost"), c.of("one_way")
	if sent, settled := c.of("slots_sent"), answered+lost+oneWay; sent != settled || sent == 0 {
		c.t.Errorf("%s: %d probes sent, %d answered + %d lost + %d one way = %d, want the same and not 0",
			c.owner, sent, answered, lost, oneWay, settled)
	}
	checkPrinted(out, c)
}

// checkPrinted checks that no point was dropped on its way to the output.
func checkPrinted(out *output, c counters) {
	c.t.Helper()
	c.want("ring_dropped", 0, "export_dropped", 0, "cli_sent", len(out.points), "abandoned", 0)
}

// checkReceived checks the accounts of a daemon that was probed over UDP with so many probes: every
// one was received or is missing, and of each that was received in time there is one delay.
func checkReceived(out *output, c counters, sent int) {
	c.t.Helper()
	received, missing := c.of("probes_received"), c.of("probes_missing")
	late, duplicate := c.of("probes_late"), c.of("probes_duplicate")
	// A probe that comes after it was declared missing is in both numbers.
	if received-late-duplicate+missing != sent {
		c.t.Errorf("%s: %d probes received, %d late and %d duplicate among them, and %d missing, want %d in all",
			c.owner, received, late, duplicate, missing, sent)
	}
	if owd := out.counts["udp.wan.owd"]; owd != received-late-duplicate {
		c.t.Errorf("%s: %d delays printed, want one for each of %d probes received in time", c.owner, owd, received-late-duplicate)
	}
}

// checkReceiver is checkReceived for a daemon that does nothing else.
func checkReceiver(out *output, c counters, sent int) {
	c.t.Helper()
	checkReceived(out, c, sent)
	if loss, missing := out.counts["udp.wan.loss"], c.of("probes_missing"); loss != missing {
		c.t.Errorf("%s: %d losses printed, want one for each of %d missing probes", c.owner, loss, missing)
	}
	checkPrinted(out, c)
}
