package main

import (
	"fmt"

	"github.com/latency-monitor/latency-monitor/internal/config"
)

// options is what the command line asks for.
type options struct {
	overrides   config.Overrides
	help        bool // the other fields are still set
	version     bool
	checkConfig bool
}

// parseFlags reads the arguments that follow the program's name. Whether values are within their
// ranges is for package config to say. The error is one line that names the option.
func parseFlags(args []string) (options, error) {
	var o options
	flags := o.define().flags
	if err := flags.Parse(args); err != nil {
		return options{}, explain(err, flags)
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q: options begin with - or --", flags.Arg(0))
	}
	return o, nil
}

// define declares the options, group by group in the order of the help.
func (o *options) define() *optionSet {
	s := newOptionSet()
	o.defineGeneral(s)
	o.defineLogging(s)
	o.defineNetwork(s)
	o.defineRuntime(s)
	return s
}

func (o *options) defineGeneral(s *optionSet) {
	s.group = groupGeneral
	v := &o.overrides
	s.request(&o.help, option{long: "help", short: "h", usage: "show this help and exit"})
	s.text(&v.ConfigFile, option{long: "config-file", short: "c", value: "CONFIG_FILE",
		usage: "the configuration, in TOML", byDefault: config.DefaultFile + ", if it is there"})
	s.text(&v.Name, option{long: "name", short: "n", value: "NAME",
		usage: "what this host is called in messages and metrics", byDefault: "the host name"})
	s.text(&v.Metrics, option{long: "metrics", short: "m", value: "BACKEND",
		usage:     "where measurements go: " + config.Allowed("metrics"),
		byDefault: config.DefaultBackend})
	s.request(&o.version, option{long: "version", usage: "show the version and exit"})
	s.request(&o.checkConfig, option{long: "check-config",
		usage: "check the configuration, print what is in effect and exit"})
}

func (o *options) defineLogging(s *optionSet) {
	s.group = groupLogging
	v := &o.overrides
	s.text(&v.LogLevel, option{long: "log-level", short: "l",
		value: "{DEBUG,INFO,WARNING,ERROR,CRITICAL}",
		usage: "the least severe messages to log", byDefault: string(config.DefaultLogLevel)})
	s.text(&v.LogFile, option{long: "log-file", short: "f", value: "LOG_FILE",
		usage: "where to log to", byDefault: "standard error"})
}

func (o *options) defineNetwork(s *optionSet) {
	s.group = groupNetwork
	v := &o.overrides
	s.pair(&v.RTT, option{long: "rtt", short: "r",
		usage: "measure round-trip times", byDefault: onOff(config.DefaultRTT)})
	s.pair(&v.TCP, option{long: "tcp", short: "t",
		usage: "probe and answer over TCP", byDefault: onOff(config.DefaultTCP)})
	s.pair(&v.UDP, option{long: "udp", short: "u",
		usage: "probe and answer over UDP", byDefault: onOff(config.DefaultUDP)})
	s.pair(&v.TCPLatency, option{long: "tcp-latency",
		usage: "measure TCP connect latency", byDefault: onOff(config.DefaultTCPLatency)})
	s.integer(&v.TCPPort, option{long: "tcp-port", value: "PORT",
		usage:     "port to answer on, and of targets that set none",
		byDefault: fmt.Sprint(config.DefaultTCPPort)})
	s.integer(&v.UDPPort, option{long: "udp-port", value: "PORT",
		usage:     "port to answer on, and of targets that set none",
		byDefault: fmt.Sprint(config.DefaultUDPPort)})
	s.integer(&v.MaxSize, option{long: "max-size", short: "s", value: "OCTETS",
		usage: "the longest message to send or read", byDefault: fmt.Sprint(config.DefaultMaxSize)})
	s.integer(&v.MaxLost, option{long: "max-lost", short: "x", value: "PROBES",
		usage:     "losses in a row after which TCP connects again",
		byDefault: fmt.Sprint(config.DefaultMaxLost)})
}

func (o *options) defineRuntime(s *optionSet) {
	s.group = groupRuntime
	v := &o.overrides
	s.number(&v.Timeout, option{long: "timeout", short: "T", value: "SECONDS",
		usage:     "how long to wait for a reply; fractions allowed",
		byDefault: fmt.Sprintf("%.1f", float64(config.DefaultTimeoutSeconds))})
	s.number(&v.Interval, option{long: "interval", short: "i", value: "MILLISECONDS",
		usage:     "time between probes; fractions allowed, down to 0.1",
		byDefault: fmt.Sprint(config.DefaultIntervalMillis)})
}
