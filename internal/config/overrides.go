package config

import (
	"fmt"
	"strconv"
)

// Overrides are the options of the command line. A nil field was not given. Values are as they were
// typed; [Load] and [Parse] check them.
type Overrides struct {
	ConfigFile *string
	Name       *string
	Metrics    *string // the name of the only backend
	LogLevel   *string
	LogFile    *string
	RTT        *bool
	TCP        *bool
	UDP        *bool
	TCPLatency *bool
	TCPPort    *int
	UDPPort    *int
	MaxSize    *int // octets
	MaxLost    *int
	Timeout    *float64 // seconds
	Interval   *float64 // milliseconds
}

// Allowed says what the value of an option must be, as in "a number, 0.1 to 86400000 milliseconds".
// The option is named as it is typed, without dashes. For an option without rule it returns "".
func Allowed(option string) string {
	switch option {
	case "name":
		return nameRule.allowed
	case "metrics":
		return backendRule.allowed
	case "log-level":
		return logLevelRule.allowed
	case "tcp-port", "udp-port":
		return portRule.want()
	case "max-size":
		return maxSizeRule.want()
	case "max-lost":
		return maxLostRule.want()
	case "timeout":
		return timeoutRule.want()
	case "interval":
		return intervalRule.want()
	}
	return ""
}

// layer checks the options one by one. Backends is left to the resolver: an option that names a
// backend of the file keeps its keys.
func (o Overrides) layer() (layer, error) {
	r := &optionReader{}
	l := layer{
		probe: probe{
			TCPPort:    override(r, "--tcp-port", o.TCPPort, portRule),
			UDPPort:    override(r, "--udp-port", o.UDPPort, portRule),
			RTT:        overridePair("rtt", o.RTT),
			TCPLatency: overridePair("tcp-latency", o.TCPLatency),
			Interval:   override(r, "--interval", o.Interval, intervalRule),
			Timeout:    override(r, "--timeout", o.Timeout, timeoutRule),
			MaxLost:    override(r, "--max-lost", o.MaxLost, maxLostRule),
		},
		Name:     override(r, "--name", o.Name, nameRule),
		TCP:      overridePair("tcp", o.TCP),
		UDP:      overridePair("udp", o.UDP),
		MaxSize:  override(r, "--max-size", o.MaxSize, maxSizeRule),
		LogLevel: override(r, "--log-level", o.LogLevel, logLevelRule),
		LogFile:  override(r, "--log-file", o.LogFile, fileNameRule),
	}
	if only := override(r, "--metrics", o.Metrics, backendRule); only != nil {
		l.Backends = []backend{newBackend(only.value, only.from)}
	}
	return l, r.err
}

// optionReader keeps the first mistake.
type optionReader struct{ err error }

func override[T any](o *optionReader, option string, value *T, r rule[T]) *setting[T] {
	if value == nil || o.err != nil {
		return nil
	}
	from := origin{assignment: option + " " + showOption(*value)}
	if !r.accepts(*value) {
		o.err = from.mustBe(r.allowed)
		return nil
	}
	return &setting[T]{*value, from}
}

// overridePair takes an option of the kind --x/--no-x.
func overridePair(option string, value *bool) *setting[bool] {
	if value == nil {
		return nil
	}
	assignment := "--" + option
	if !*value {
		assignment = "--no-" + option
	}
	return &setting[bool]{*value, origin{assignment: assignment}}
}

func showOption(value any) string {
	switch v := value.(type) {
	case string:
		return ShowText(v)
	case float64:
		return showNumber(v)
	case int:
		return strconv.Itoa(v)
	}
	return fmt.Sprint(value)
}
