package main_test

import (
	"strings"
	"testing"
)

// mode is what a daemon measures with. A spec without one leaves that to the configuration.
type mode string

const (
	isolated   mode = "isolated"        // the Linux engine in a process of its own
	oneProcess mode = "in one process"  // the Linux engine
	portable   mode = "portable engine" // which has no process of its own
)

// engineKeys say it in the table [engine].
var engineKeys = map[mode][]string{
	isolated:   {`mode = "linux"`, `isolate = true`},
	oneProcess: {`mode = "linux"`, `isolate = false`},
	portable:   {`mode = "portable"`, `isolate = false`},
}

// startedWith is what the log then says of the start.
var startedWith = map[mode]string{
	"":         " started ",
	isolated:   " engine=linux isolated=true ",
	oneProcess: " engine=linux isolated=false ",
	portable:   " engine=portable isolated=false ",
}

// configure adds the keys to a configuration, to the table [engine] if there is one, else on top.
func (m mode) configure(config string) string {
	const table = "[engine]\n"
	keys := engineKeys[m]
	if before, after, found := strings.Cut(config, table); found && len(keys) > 0 {
		return before + table + strings.Join(keys, "\n") + "\n" + after
	}
	for _, key := range keys {
		config = "engine." + key + "\n" + config
	}
	return config
}

// bothWays runs a test with the engine in a process of its own and without, one after the other.
func bothWays(t *testing.T, test func(t *testing.T, m mode)) {
	for _, m := range []mode{isolated, oneProcess} {
		t.Run(string(m), func(t *testing.T) { test(t, m) })
	}
}

// bothWaysAtOnce is bothWays for tests that wait more than they compute.
func bothWaysAtOnce(t *testing.T, test func(t *testing.T, m mode)) {
	bothWays(t, func(t *testing.T, m mode) {
		t.Parallel()
		test(t, m)
	})
}
