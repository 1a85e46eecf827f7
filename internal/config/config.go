package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// DefaultFile is read when no file is named, if the working directory has it.
const DefaultFile = "latency.toml"

// Config is the effective configuration: every default and every inheritance is applied, every value
// is within its range. Whoever holds it may change it; nothing is shared with this package.
type Config struct {
	Name        string     // who we are in messages and metrics
	Address     netip.Addr // where the reflector listens; the zero Addr is the dual-stack wildcard
	TCPPort     uint16
	UDPPort     uint16
	TCP         bool // switches the transport on or off, for probing and for answering
	UDP         bool
	MaxSize     int // octets; no message longer than this is sent or read
	MaxSessions int // of the reflector
	LogLevel    LogLevel
	LogFile     string        // "" is standard error
	User        string        // whom to run as once all is open: a name or a number; "" is nobody else
	Group       string        // the same; "" is the user's groups
	Timeout     time.Duration // of the top level; the reflector uses it too
	Reflector   Reflector
	Targets     []Target
	Backends    []Backend // one or more, no two of the same name
	Engine      Engine
	File        string // the file that was read; "" if there was none, which means server mode
}

// Target is one host to probe, with everything it inherited.
type Target struct {
	Host       string // IP address, with zone if need be, or host name
	Label      string // "" if none
	Tags       []string
	TCP        bool // probe over TCP; both false: the target is not probed
	UDP        bool
	TCPPort    uint16
	UDPPort    uint16
	RTT        bool
	TCPLatency bool
	Size       int // octets of a message; 0 is no padding
	Interval   time.Duration
	Timeout    time.Duration
	MaxLost    int
	DSCP       int // of probes over either transport
	TTL        int // the same, or hop limit; 0 is 255 for STAMP and the system's for text
	Stamp      Stamp
}

// Name is what the target is called in metrics: its label, or its host if it has none.
func (t Target) Name() string {
	if t.Label != "" {
		return t.Label
	}
	return t.Host
}

// Backend is one place to publish measurements to.
type Backend struct {
	Name string
	// Keys are the backend's own keys, checked and complete, with secrets from wherever they are, as TOML
	// gives them: string, int64, float64, bool and []any. Never nil.
	Keys map[string]any
}

// Engine says how the probing threads run.
type Engine struct {
	Mode             EngineMode
	Isolate          Isolate
	RealtimePriority int   // of SCHED_FIFO; 0 is off
	CPUs             []int // to pin the threads to; empty is no pinning
	Spin             time.Duration
	TxTimestamps     string // TxTimestampsAuto or TxTimestampsOff
	RingSize         int    // samples, a power of two
	LockMemory       bool   // keep all memory of the process with the loops in RAM
}

// EngineMode selects an engine.
type EngineMode string

// The engines. Auto takes the Linux engine where it works.
const (
	EngineAuto     EngineMode = "auto"
	EngineLinux    EngineMode = "linux"
	EnginePortable EngineMode = "portable"
)

// Isolate says whether the engine runs in a process of its own. Auto: where there can be one.
type Isolate string

// The values of Isolate, as the key has them.
const (
	IsolateAuto  Isolate = "auto"
	IsolateTrue  Isolate = "true"
	IsolateFalse Isolate = "false"
)

// What the sender does about transmit timestamps from the kernel.
const (
	TxTimestampsAuto = "auto"
	TxTimestampsOff  = "off"
)

// LogLevel is the least severe level that is logged.
type LogLevel string

// The log levels, from the most to the least talkative.
const (
	LogDebug    LogLevel = "DEBUG"
	LogInfo     LogLevel = "INFO"
	LogWarning  LogLevel = "WARNING"
	LogError    LogLevel = "ERROR"
	LogCritical LogLevel = "CRITICAL"
)

// logLevels has them in this order. Nothing writes to it.
var logLevels = []LogLevel{LogDebug, LogInfo, LogWarning, LogError, LogCritical}

// ParseLogLevel reads a level that was checked: a name in any case, such as the key level of the
// backend log.
func ParseLogLevel(name string) LogLevel { return LogLevel(strings.ToUpper(name)) }

// letsThrough reports whether a log at level l has messages of the given level.
func (l LogLevel) letsThrough(message LogLevel) bool {
	return slices.Index(logLevels, message) >= slices.Index(logLevels, l)
}

// The backends a configuration may name.
const (
	BackendCLI         = "cli"
	BackendLog         = "log"
	BackendZeroMQ      = "zeromq"
	BackendDatadog     = "datadog"
	BackendPushgateway = "pushgateway"
	BackendPrometheus  = "prometheus"
	BackendClickHouse  = "clickhouse"
)

// Load reads the file that the options name, or [DefaultFile], and returns the effective
// configuration. A missing DefaultFile is no error: it means server mode, and File is "". A file that
// was named must exist.
func Load(o Overrides) (Config, error) {
	file, named := DefaultFile, o.ConfigFile != nil
	if named {
		file = *o.ConfigFile
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return Parse(nil, "", o)
	}
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", readSubject(file, named), cause(err))
	}
	return Parse(data, file, o)
}

// Parse returns the effective configuration from TOML text and options. The name file appears in
// errors and in the result; "" stands for no file. The files with keys that the text names are read.
func Parse(data []byte, file string, o Overrides) (Config, error) {
	return parse(source{file: file, data: data}, o, host{os.Hostname, readSecret, os.Getenv, os.ReadFile})
}

// host is what a configuration needs of the system.
type host struct {
	name       func() (string, error)
	readSecret func(file string) ([]byte, error)
	getenv     func(variable string) string
	readFile   func(file string) ([]byte, error)
}

func parse(src source, o Overrides, h host) (Config, error) {
	flags, err := o.layer()
	if err != nil {
		return Config{}, err
	}
	file, err := readLayer(src)
	if err != nil {
		return Config{}, err
	}
	l := layers{flags: flags, file: file, defaults: defaultLayer()}
	if err := l.checkRelations(); err != nil {
		return Config{}, err
	}
	config, err := l.resolve(h)
	if err != nil {
		return Config{}, err
	}
	config.File = src.file
	return config, nil
}

func readSubject(file string, named bool) string {
	if named {
		return "--config-file " + ShowText(file)
	}
	return file
}

// cause strips the operation and the path from an error of package os; the caller names the path.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
