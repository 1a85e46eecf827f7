// Command latency-monitor measures one-way delay, round-trip time, TCP connect latency and loss
// between hosts that all run it. See the README, or latency-monitor --help.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/latency-monitor/latency-monitor/internal/config"
	"github.com/latency-monitor/latency-monitor/internal/privilege"
	"github.com/latency-monitor/latency-monitor/pkg/latencymonitor"
)

// version is set by the linker; without that it is the module's, or "devel".
var version string

// Exit statuses.
const (
	exitOK      = 0
	exitFailure = 1 // something was refused by the system, or broke while running
	exitUsage   = 2 // the command line or the configuration is wrong
)

func main() {
	if status, ok := latencymonitor.EngineProcess(os.Args); ok {
		os.Exit(status)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: measurements and what was asked for go to stdout, logs and errors to stderr.
func run(args []string, stdout, stderr io.Writer) int {
	fail := func(status int, err error) int {
		fmt.Fprintln(stderr, "latency-monitor:", err)
		return status
	}
	o, err := parseFlags(args)
	switch {
	case err != nil:
		return fail(exitUsage, err)
	case o.help:
		fmt.Fprint(stdout, helpText())
		return exitOK
	case o.version:
		fmt.Fprintln(stdout, "latency-monitor", versionText())
		return exitOK
	}
	c, err := config.Load(o.overrides)
	if err != nil {
		return fail(exitUsage, err)
	}
	if err := checkTargets(c); err != nil {
		return fail(exitUsage, err)
	}
	if err := checkLabels(c); err != nil {
		return fail(exitUsage, err)
	}
	identity, err := privilege.LookupIdentity(c.User, c.Group)
	if err != nil {
		return fail(exitUsage, fmt.Errorf("%s: %w", c.File, err))
	}
	if o.checkConfig {
		if err := c.WriteTOML(stdout); err != nil {
			return fail(exitFailure, err)
		}
		return exitOK
	}
	log, closeLog, err := openLog(c, stderr)
	if err != nil {
		return fail(exitFailure, err)
	}
	defer closeLog()
	d, err := assemble(c, log, stdout)
	if err != nil {
		return fail(exitFailure, err)
	}
	d.identity = identity
	return d.run()
}

func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
