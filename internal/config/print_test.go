package config

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

func written(t *testing.T, c Config) string {
	t.Helper()
	var b strings.Builder
	if err := c.WriteTOML(&b); err != nil {
		t.Fatalf("WriteTOML failed: %v", err)
	}
	return b.String()
}

func TestWrittenConfigurationLoadsAgain(t *testing.T) {
	for _, test := range []struct {
		name    string
		text    string
		options Overrides
	}{
		{"nothing set", "", Overrides{}},
		{"everything set", `name = "ä\"b"` + "\naddress = \"fe80::1%eth0\"\ntimeout = 0.123456789\nlog_file = \"a b\"\n" +
			"max_sessions = 5\nuser = \"daemon\"\ngroup = \"2\"\n[engine]\nmode = \"linux\"\nrealtime_priority = 5\ncpus = [1, 2]\nspin = \"12.5us\"\n" +
			"tx_timestamps = \"off\"\nring_size = 2048\nisolate = true\nlock_memory = true", Overrides{}},
		{"targets of every kind", "[[targets]]\nhost = \"a\"\ntype = \"tcp\"\ntags = [\"x:y\"]\n" +
			"[[targets]]\nhost = \"a\"\ntype = \"udp\"\ninterval = 0.123456\n" +
			"[[targets]]\nhost = \"fe80::1%eth0\"\nlabel = \"l\"\ntags = []\nsize = 5\ntimeout = 0.5", Overrides{}},
		{"options in effect", fileWithEverything, Overrides{TCP: ptr(false), Interval: ptr(1.0)}},
		{"a target without transport, TCP off", "[[targets]]\nhost = \"a\"\ntype = \"tcp\"\n", Overrides{TCP: ptr(false)}},
		{"a target without transport, UDP off", "[[targets]]\nhost = \"a\"\ntype = \"udp\"\n", Overrides{UDP: ptr(false)}},
		{"a reflector", "stamp_port = 862\nstamp_format = \"ptp\"\nptp_utc_offset = 0\nauth_keys_file = \"both.key\"\n" +
			"require_auth = true\nallow = [\"::1\", \"10.0.0.0/8\"]\nrate_limit = 5\nreflector = \"stateless\"", Overrides{}},
		{"STAMP of every kind", "protocol = \"stamp\"\nauth_key_file = \"a.key\"\nttl = 64\ndscp = 46\nowd_at_sender = \"always\"\n" +
			"[[targets]]\nhost = \"a\"\n[[targets]]\nhost = \"b\"\nauth_key = \"\"\nprotocol = \"text\"\ndscp = 0\nttl = 255\n" +
			"[[targets]]\nhost = \"c\"\nauth_key_file = \"c.key\"\nstamp_format = \"ptp\"\nptp_utc_offset = 1", Overrides{}},
		{"backends of every kind", "[[metrics]]\nbackend = \"clickhouse\"\nhost = \"h\"\ntable = \"d.t\"\nprotocol = \"native\"\nca_file = \"ca.pem\"\n" +
			"[[metrics]]\nbackend = \"pushgateway\"\n[[metrics]]\nbackend = \"prometheus\"\n[[metrics]]\nbackend = \"zeromq\"", Overrides{}},
		{"several backends", "[[metrics]]\nbackend = \"log\"\nlevel = \"info\"\n[[metrics]]\nbackend = \"cli\"", Overrides{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := mustLoad(t, test.text, test.options)
			text := written(t, want)
			if got := mustLoad(t, text, Overrides{}); !reflect.DeepEqual(got, want) {
				t.Errorf("wrote\n%s\nwhich loads to %+v\nwant %+v", text, got, want)
			}
		})
	}
}

func TestSecretsAreMasked(t *testing.T) {
	const text = `[[metrics]]
backend = "clickhouse"
host = "plain"
password = "s3cret"
[[metrics]]
backend = "datadog"
api_key = "s3cret"
`
	c := mustLoad(t, text, Overrides{})
	got := written(t, c)
	if strings.Contains(got, "s3cret") {
		t.Errorf("a secret is printed:\n%s", got)
	}
	if n := strings.Count(got, `"********"`); n != 2 {
		t.Errorf("%d values are masked, want 2:\n%s", n, got)
	}
	if !strings.Contains(got, `host = "plain"`) {
		t.Errorf("a value that is no secret is missing:\n%s", got)
	}
	if c.Backends[0].Keys["password"] != "s3cret" {
		t.Error("printing changed the configuration")
	}
}

// Nobody shall take the mask for a secret.
func TestMaskIsNoSecret(t *testing.T) {
	const demand = ` = "********": must be the secret itself: this is what stands for it where a configuration is printed`
	for text, key := range map[string]string{
		"[metrics]\nbackend = \"clickhouse\"\nhost = \"h\"\npassword = \"" + keyA + "\"":                 "metrics.password",
		"[[metrics]]\nbackend = \"cli\"\n[[metrics]]\nbackend = \"datadog\"\napi_key = \"" + keyA + "\"": "metrics[1].api_key",
		"[[targets]]\nhost = \"h\"\nauth_key = \"" + keyA + "\"":                                         "targets[0].auth_key",
		"auth_keys = [\"" + keyA + "\"]":                                                                 "auth_keys[0]",
	} {
		_, err := load(written(t, mustLoad(t, text, Overrides{})), Overrides{})
		key = strings.Replace(key, "metrics.", "metrics[0].", 1) // as it is printed
		checkError(t, err, "latency.toml: "+key+demand)
	}
}

func TestWhatFollowsFromOtherKeysIsPrinted(t *testing.T) {
	for _, test := range []struct {
		name, keys string
		want       []string
	}{
		{"clickhouse with defaults", `backend = "clickhouse"`, []string{"port = 8443", "secure = true", "batch = 20000"}},
		{"native", "backend = \"clickhouse\"\nprotocol = \"native\"", []string{"port = 9440", "secure = true"}},
		{"a plain port", "backend = \"clickhouse\"\nport = 8123", []string{"port = 8123", "secure = false"}},
		{"TLS at another port", "backend = \"clickhouse\"\nport = 443\nsecure = true", []string{"port = 443", "secure = true"}},
		{"no TLS at its port", "backend = \"clickhouse\"\nsecure = false", []string{"port = 8443", "secure = false"}},
		{"the database of the table", "backend = \"clickhouse\"\ntable = \"d.t\"", []string{`database = "d"`, `table = "d.t"`}},
		{"a small buffer", "backend = \"clickhouse\"\nbuffer = 1000", []string{"batch = 500"}},
		{"pushgateway", `backend = "pushgateway"`, []string{`instance = "` + testHost + `"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			keys := test.keys
			if strings.Contains(keys, "clickhouse") {
				keys += "\nhost = \"h\""
			}
			got := written(t, mustLoad(t, "[metrics]\n"+keys, Overrides{}))
			for _, want := range test.want {
				if !strings.Contains(got, want+"\n") {
					t.Errorf("printed without %q:\n%s", want, got)
				}
			}
		})
	}
}

func TestKeysAreMasked(t *testing.T) {
	const text = "auth_key = \"" + keyA + "\"\nauth_keys = [\"" + keyA + "\", \"" + keyB + "\"]\n[[targets]]\nhost = \"h\""
	got := written(t, mustLoad(t, text, Overrides{}))
	if strings.Contains(got, "secret") {
		t.Errorf("a key is printed:\n%s", got)
	}
	for _, want := range []string{"auth_key = \"********\"\n", "auth_keys = [\"********\", \"********\"]\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("printed without %q:\n%s", want, got)
		}
	}
}

func TestWrittenAnnex(t *testing.T) {
	const golden = "testdata/annex.golden.toml"
	data, err := os.ReadFile("testdata/annex.toml")
	if err != nil {
		t.Fatal(err)
	}
	got := written(t, mustLoad(t, string(data), Overrides{}))
	if *update {
		writeFile(t, golden, got)
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("annex is written as\n%s\nwant\n%s", got, want)
	}
}

func TestBackendWithoutKeysIsWritten(t *testing.T) {
	c := serverConfig()
	c.Backends = []Backend{{Name: BackendCLI}}
	if got := written(t, c); !strings.Contains(got, `backend = "cli"`) {
		t.Errorf("written without backend:\n%s", got)
	}
}
