package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

const testHost = "test-host"

// load parses text as latency.toml on a host called test-host, which has the files of testSecrets.
func load(text string, o Overrides) (Config, error) {
	return parse(source{file: DefaultFile, data: []byte(text)}, o,
		host{func() (string, error) { return testHost, nil }, readTestSecret, noEnvironment, readTestFile})
}

func mustLoad(t *testing.T, text string, o Overrides) Config {
	t.Helper()
	c, err := load(text, o)
	if err != nil {
		t.Fatalf("load(%q) failed: %v", text, err)
	}
	return c
}

// serverConfig is what an empty file gives.
func serverConfig() Config {
	return Config{
		Name:        testHost,
		TCPPort:     8000,
		UDPPort:     8001,
		TCP:         true,
		UDP:         true,
		MaxSize:     1470,
		MaxSessions: 4096,
		LogLevel:    LogInfo,
		Timeout:     time.Second,
		Backends:    []Backend{{Name: BackendCLI, Keys: map[string]any{"buffer": int64(100_000), "format": "json"}}},
		Reflector: Reflector{
			Mode: Stateful, Format: FormatNTP, PTPUTCOffset: 37 * time.Second, RateLimit: 20_000,
		},
		Engine: Engine{
			Mode: EngineAuto, Isolate: IsolateAuto, TxTimestamps: TxTimestampsAuto, RingSize: 65536,
		},
		File: DefaultFile,
	}
}

// plainTarget is what a target has that sets nothing but its host.
func plainTarget(host string) Target {
	return Target{
		Host: host, TCP: true, UDP: true, TCPPort: 8000, UDPPort: 8001, RTT: true, TCPLatency: true,
		Interval: time.Second, Timeout: time.Second, MaxLost: 10,
		Stamp: Stamp{
			Protocol: ProtocolAuto, Format: FormatNTP, PTPUTCOffset: 37 * time.Second, OWDAtSender: OWDAuto,
		},
	}
}

func noEnvironment(string) string { return "" }

func ptr[T any](v T) *T { return &v }

func TestEmptyFileGivesTheDefaults(t *testing.T) {
	if got, want := mustLoad(t, "", Overrides{}), serverConfig(); !reflect.DeepEqual(got, want) {
		t.Errorf("load of nothing = %+v, want %+v", got, want)
	}
}

func TestAnnexOfTheIssueResolves(t *testing.T) {
	data, err := os.ReadFile("testdata/annex.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := serverConfig()
	want.Name = "this-host"
	want.MaxSize = 65535
	want.TCPPort, want.UDPPort = 17171, 17172
	want.Backends = []Backend{{Name: BackendClickHouse, Keys: map[string]any{
		"host": "click.example.com", "username": "super", "password": "secure",
		"protocol": "http", "port": int64(8443), "secure": true, "insecure_skip_verify": false, "compression": "lz4", "table": "metrics",
		"columns":      []any{"MetricName", "Timestamp", "MetricValue", "Tags", "InsertedAt"},
		"create_table": false, "ttl_days": int64(30), "async_insert": false,
		"send_interval": 30.0, "batch": int64(20_000), "buffer": int64(100_000),
	}}}
	for _, host := range []string{"127.0.0.1", "10.0.0.2", "10.0.0.3", "lm.example.com"} {
		target := plainTarget(host)
		target.TCPPort, target.UDPPort = 17171, 17172
		want.Targets = append(want.Targets, target)
	}
	foo, bar, baz, unlabelled := &want.Targets[0], &want.Targets[1], &want.Targets[2], &want.Targets[3]
	foo.Label, foo.Tags = "foo", []string{"isp:local", "location:laptop"}
	bar.Label, bar.TCPPort, bar.UDPPort, bar.Size = "bar", 1717, 1718, 65535
	baz.Label, baz.TCP, baz.Interval = "baz", false, 200*time.Millisecond
	unlabelled.Timeout = 2 * time.Second

	if got := mustLoad(t, string(data), Overrides{}); !reflect.DeepEqual(got, want) {
		t.Errorf("annex = %+v\nwant    %+v", got, want)
	}
}

func TestKeysSetTheirField(t *testing.T) {
	for _, test := range []struct {
		name string
		text string
		want func(*Config)
	}{
		{"a name in other letters", `name = "zürich-1"`, func(c *Config) { c.Name = "zürich-1" }},
		{"an IPv4 address", `address = "192.0.2.1"`,
			func(c *Config) { c.Address = netip.MustParseAddr("192.0.2.1") }},
		{"an IPv6 address with zone", `address = "fe80::1%eth0"`,
			func(c *Config) { c.Address = netip.MustParseAddr("fe80::1%eth0") }},
		{"an IPv4 address written as IPv6", `address = "::ffff:192.0.2.1"`,
			func(c *Config) { c.Address = netip.MustParseAddr("192.0.2.1") }},
		{"ports", "tcp_port = 1\nudp_port = 65535",
			func(c *Config) { c.TCPPort, c.UDPPort = 1, 65535 }},
		{"TCP off", "tcp = false", func(c *Config) { c.TCP = false }},
		{"UDP off", "udp = false", func(c *Config) { c.UDP = false }},
		{"smallest sizes", "max_size = 64\nmax_sessions = 1",
			func(c *Config) { c.MaxSize, c.MaxSessions = 64, 1 }},
		{"largest sizes", "max_size = 65535\nmax_sessions = 1048576",
			func(c *Config) { c.MaxSize, c.MaxSessions = 65535, 1048576 }},
		{"a log level in small letters", `log_level = "debug"`, func(c *Config) { c.LogLevel = LogDebug }},
		{"a log file", `log_file = "/var/log/latency monitor.log"`,
			func(c *Config) { c.LogFile = "/var/log/latency monitor.log" }},
		{"a timeout in fractions of a second", "timeout = 0.001",
			func(c *Config) { c.Timeout = time.Millisecond }},
		{"the longest timeout", "timeout = 3600", func(c *Config) { c.Timeout = time.Hour }},
		{"a backend in a table", "[metrics]\nbackend = \"log\"",
			func(c *Config) {
				c.Backends = []Backend{{"log", map[string]any{"buffer": int64(100_000), "level": "warning"}}}
			}},
		{"a level of the log backend", "[metrics]\nbackend = \"log\"\nlevel = \"INFO\"",
			func(c *Config) {
				c.Backends = []Backend{{"log", map[string]any{"buffer": int64(100_000), "level": "info"}}}
			}},
		{"several backends", "[[metrics]]\nbackend = \"cli\"\n[[metrics]]\nbackend = \"zeromq\"\nport = 5",
			func(c *Config) {
				c.Backends = []Backend{{"cli", map[string]any{"buffer": int64(100_000), "format": "json"}}, {"zeromq", map[string]any{
					"address": "0.0.0.0", "buffer": int64(100_000), "hwm": int64(1000), "port": int64(5)}}}
			}},
		{"no backends listed", "metrics = []", func(*Config) {}},
		{"no targets listed", "targets = []", func(*Config) {}},
		{"an empty engine", "[engine]", func(*Config) {}},
		{"an engine", "[engine]\nmode = \"portable\"\nrealtime_priority = 99\ncpus = [3, 0]\nspin = \"50us\"\n" +
			"isolate = false\ntx_timestamps = \"off\"\nring_size = 1024\nlock_memory = true",
			func(c *Config) {
				c.Engine = Engine{EnginePortable, IsolateFalse, 99, []int{3, 0}, 50 * time.Microsecond, TxTimestampsOff, 1024, true}
			}},
		{"a process of its own", "user = \"daemon\"\ngroup = \"2\"\n[engine]\nisolate = true\nlock_memory = true", func(c *Config) {
			c.User, c.Group, c.Engine.Isolate, c.Engine.LockMemory = "daemon", "2", IsolateTrue, true
		}},
		{"no process of its own", "[engine]\nisolate = false", func(c *Config) { c.Engine.Isolate = IsolateFalse }},
		{"no process of its own, by default", "[engine]\nisolate = \"auto\"", func(*Config) {}},
		{"the largest ring", "[engine]\nring_size = 16777216",
			func(c *Config) { c.Engine.RingSize = 16777216 }},
		{"the longest spin", "[engine]\nspin = \"10ms\"",
			func(c *Config) { c.Engine.Spin = 10 * time.Millisecond }},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := serverConfig()
			test.want(&want)
			if got := mustLoad(t, test.text, Overrides{}); !reflect.DeepEqual(got, want) {
				t.Errorf("load(%q) = %+v, want %+v", test.text, got, want)
			}
		})
	}
}

func TestNameDefaultsToTheHostName(t *testing.T) {
	for _, test := range []struct {
		name      string
		hostname  string
		err       error
		text      string
		wantName  string
		wantError string
	}{
		{name: "a usable host name", hostname: "a.example.com", wantName: "a.example.com"},
		{name: "a host name the protocol cannot carry", hostname: "a|b",
			wantError: `host name a|b cannot be our name: must be 1 to 64 octets of UTF-8 without "|" and ` +
				`control characters: set name in the file or --name`},
		{name: "no host name", err: errors.New("no such thing"),
			wantError: "no host name (no such thing): set name in the file or --name"},
		{name: "an unusable host name that is not needed", hostname: "a|b", text: `name = "c"`, wantName: "c"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := parse(source{file: "f", data: []byte(test.text)}, Overrides{},
				host{func() (string, error) { return test.hostname, test.err }, readTestSecret, noEnvironment, readTestFile})
			checkError(t, err, test.wantError)
			if c.Name != test.wantName {
				t.Errorf("name = %q, want %q", c.Name, test.wantName)
			}
		})
	}
}

// checkError compares an error with the text it must have, "" for none.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("error:\n got %s\nwant %s", got, want)
	}
}

func TestMissingDefaultFileIsServerMode(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := Load(Overrides{Name: ptr(testHost)})
	if err != nil {
		t.Fatalf("Load without file failed: %v", err)
	}
	want := serverConfig()
	want.File = ""
	if !reflect.DeepEqual(c, want) {
		t.Errorf("Load without file = %+v, want %+v", c, want)
	}
}

func TestLoadReadsTheDefaultFile(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, DefaultFile, `name = "from-file"`)
	c, err := Load(Overrides{})
	if err != nil || c.Name != "from-file" || c.File != DefaultFile {
		t.Errorf("Load = name %q, file %q, %v, want from-file, %s, no error", c.Name, c.File, err, DefaultFile)
	}
}

func TestLoadReadsTheNamedFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "other.toml")
	writeFile(t, file, "tcp_port = 0")
	_, err := Load(Overrides{ConfigFile: &file})
	checkError(t, err, file+": tcp_port = 0: must be 1 to 65535")
}

func TestUnreadableFileIsAnError(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := Load(Overrides{ConfigFile: ptr("absent.toml")})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v does not match os.ErrNotExist", err)
	}
	checkPrefix(t, err, "--config-file absent.toml: ")

	_, err = Load(Overrides{ConfigFile: ptr("")})
	checkPrefix(t, err, `--config-file "": `)

	if err := os.Mkdir(DefaultFile, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = Load(Overrides{})
	checkPrefix(t, err, "latency.toml: ")
}

func checkPrefix(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || len(err.Error()) <= len(want) || err.Error()[:len(want)] != want {
		t.Errorf("error = %v, want one that begins with %q", err, want)
	}
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
