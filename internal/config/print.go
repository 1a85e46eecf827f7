package config

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// masked stands for a secret in print.
const masked = "********"

// secretSuffixes end the names of keys that hold secrets.
var secretSuffixes = []string{"password", "api_key", "auth_key", "auth_keys", "token", "secret"}

// printedConfig is the order of the keys in print.
type printedConfig struct {
	Name        string   `toml:"name"`
	Address     string   `toml:"address,omitempty"`
	TCPPort     uint16   `toml:"tcp_port"`
	UDPPort     uint16   `toml:"udp_port"`
	TCP         bool     `toml:"tcp"`
	UDP         bool     `toml:"udp"`
	Timeout     any      `toml:"timeout"`
	MaxSize     int      `toml:"max_size"`
	MaxSessions int      `toml:"max_sessions"`
	LogLevel    LogLevel `toml:"log_level"`
	LogFile     string   `toml:"log_file,omitempty"`
	User        string   `toml:"user,omitempty"`
	Group       string   `toml:"group,omitempty"`
	printedReflector
	Targets []printedTarget  `toml:"targets"`
	Metrics []map[string]any `toml:"metrics"`
	Engine  printedEngine    `toml:"engine"`
}

type printedTarget struct {
	Host       string   `toml:"host"`
	Label      string   `toml:"label,omitempty"`
	Tags       []string `toml:"tags"`
	Type       string   `toml:"type,omitempty"`
	TCPPort    uint16   `toml:"tcp_port"`
	UDPPort    uint16   `toml:"udp_port"`
	RTT        bool     `toml:"rtt"`
	TCPLatency bool     `toml:"tcp_latency"`
	Size       int      `toml:"size"`
	Interval   any      `toml:"interval"`
	Timeout    any      `toml:"timeout"`
	MaxLost    int      `toml:"max_lost"`
	DSCP       int      `toml:"dscp"`
	TTL        int      `toml:"ttl,omitzero"`
	printedStamp
}

type printedStamp struct {
	Protocol     Protocol    `toml:"protocol"`
	Format       StampFormat `toml:"stamp_format"`
	PTPUTCOffset any         `toml:"ptp_utc_offset"`
	AuthKey      string      `toml:"auth_key,omitempty"`
	AuthKeyFile  string      `toml:"auth_key_file,omitempty"`
	OWDAtSender  OWDAtSender `toml:"owd_at_sender"`
}

type printedReflector struct {
	Mode         ReflectorMode `toml:"reflector"`
	StampPort    uint16        `toml:"stamp_port"`
	Format       StampFormat   `toml:"stamp_format"`
	PTPUTCOffset any           `toml:"ptp_utc_offset"`
	AuthKeys     []string      `toml:"auth_keys,omitempty"`
	AuthKeysFile string        `toml:"auth_keys_file,omitempty"`
	RequireAuth  bool          `toml:"require_auth"`
	Allow        []string      `toml:"allow"`
	RateLimit    int           `toml:"rate_limit"`
}

type printedEngine struct {
	Mode             EngineMode `toml:"mode"`
	Isolate          any        `toml:"isolate"`
	RealtimePriority int        `toml:"realtime_priority"`
	CPUs             []int      `toml:"cpus"`
	Spin             string     `toml:"spin"`
	TxTimestamps     string     `toml:"tx_timestamps"`
	RingSize         int        `toml:"ring_size"`
	LockMemory       bool       `toml:"lock_memory"`
}

// WriteTOML writes the configuration as TOML that loads to the same configuration again, except for
// secrets, which it masks, and File. What is masked does not load.
func (c Config) WriteTOML(w io.Writer) error {
	printed := printedConfig{
		Name:        c.Name,
		TCPPort:     c.TCPPort,
		UDPPort:     c.UDPPort,
		TCP:         c.TCP,
		UDP:         c.UDP,
		Timeout:     count(c.Timeout, time.Second),
		MaxSize:     c.MaxSize,
		MaxSessions: c.MaxSessions,
		LogLevel:    c.LogLevel,
		LogFile:     c.LogFile,
		User:        c.User,
		Group:       c.Group,
		Engine:      c.Engine.printed(),

		printedReflector: c.Reflector.printed(),
	}
	if c.Address.IsValid() {
		printed.Address = c.Address.String()
	}
	for _, t := range c.Targets {
		printed.Targets = append(printed.Targets, c.printedTarget(t))
	}
	for _, b := range c.Backends {
		printed.Metrics = append(printed.Metrics, b.printed())
	}
	encoder := toml.NewEncoder(w)
	encoder.Indent = ""
	if err := encoder.Encode(printed); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return nil
}

func (c Config) printedTarget(t Target) printedTarget {
	return printedTarget{
		Host:       t.Host,
		Label:      t.Label,
		Tags:       append([]string{}, t.Tags...),
		Type:       c.typeOf(t),
		TCPPort:    t.TCPPort,
		UDPPort:    t.UDPPort,
		RTT:        t.RTT,
		TCPLatency: t.TCPLatency,
		Size:       t.Size,
		Interval:   count(t.Interval, time.Millisecond),
		Timeout:    count(t.Timeout, time.Second),
		MaxLost:    t.MaxLost,
		DSCP:       t.DSCP,
		TTL:        t.TTL,

		printedStamp: t.Stamp.printed(),
	}
}

func (s Stamp) printed() printedStamp {
	printed := printedStamp{
		Protocol:     s.Protocol,
		Format:       s.Format,
		PTPUTCOffset: count(s.PTPUTCOffset, time.Second),
		AuthKeyFile:  s.AuthKeyFile,
		OWDAtSender:  s.OWDAtSender,
	}
	if s.AuthKeyFile == "" {
		printed.AuthKey = s.AuthKey.String()
	}
	return printed
}

func (r Reflector) printed() printedReflector {
	printed := printedReflector{
		Mode:         r.Mode,
		StampPort:    r.StampPort,
		Format:       r.Format,
		PTPUTCOffset: count(r.PTPUTCOffset, time.Second),
		AuthKeysFile: r.AuthKeysFile,
		RequireAuth:  r.RequireAuth,
		Allow:        []string{},
		RateLimit:    r.RateLimit,
	}
	for _, p := range r.Allow {
		printed.Allow = append(printed.Allow, p.String())
	}
	if r.AuthKeysFile == "" {
		for _, key := range r.AuthKeys {
			printed.AuthKeys = append(printed.AuthKeys, key.String())
		}
	}
	return printed
}

// typeOf returns the type key that gives a target its transports under the switches of c. A target
// without any has the type that is switched off.
func (c Config) typeOf(t Target) string {
	switch {
	case t.TCP && t.UDP:
		return ""
	case t.TCP, !t.UDP && !c.TCP:
		return "tcp"
	}
	return "udp"
}

func (e Engine) printed() printedEngine {
	return printedEngine{
		Mode:             e.Mode,
		Isolate:          e.Isolate.printed(),
		RealtimePriority: e.RealtimePriority,
		CPUs:             append([]int{}, e.CPUs...),
		Spin:             strings.Replace(e.Spin.String(), "µ", "u", 1),
		TxTimestamps:     e.TxTimestamps,
		RingSize:         e.RingSize,
		LockMemory:       e.LockMemory,
	}
}

func (i Isolate) printed() any {
	if i == IsolateAuto {
		return string(i)
	}
	return i == IsolateTrue
}

func (b Backend) printed() map[string]any {
	printed := map[string]any{"backend": b.Name}
	for key, value := range b.Keys {
		if _, inFile := b.Keys[key+"_file"]; inFile {
			continue
		}
		if isSecret(key) {
			value = masked
		}
		printed[key] = value
	}
	return printed
}

// isSecret goes by the name, so that a key that nobody marked as a secret is masked too.
func isSecret(key string) bool {
	key = strings.ToLower(key)
	return slices.ContainsFunc(secretSuffixes, func(suffix string) bool { return strings.HasSuffix(key, suffix) })
}

// count writes a duration as a number of units, without a fraction if it has none.
func count(d, unit time.Duration) any {
	if d%unit == 0 {
		return int64(d / unit)
	}
	return float64(d) / float64(unit)
}
