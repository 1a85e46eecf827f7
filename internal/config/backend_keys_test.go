package config

import (
	"io/fs"
	"strings"
	"testing"
)

// withSecrets gives backend log, for the time of the test, a key that holds a secret.
func withSecrets(t *testing.T) {
	t.Helper()
	before := backendKeys[BackendLog]
	backendKeys[BackendLog] = append([]backendKey{secretKey("password")}, before...)
	t.Cleanup(func() { backendKeys[BackendLog] = before })
}

func TestSecretsOfBackends(t *testing.T) {
	withSecrets(t)
	files := map[string]string{"good": "of a file\n", "lines": "a\nb\n", "empty": "\n"}
	h := host{
		name: func() (string, error) { return testHost, nil },
		readSecret: func(name string) ([]byte, error) {
			if text, there := files[name]; there {
				return []byte(text), nil
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		},
	}
	for _, test := range []struct {
		name, keys, environment string
		want, wantErr           string
	}{
		{"none", "", "", "", ""},
		{"in the configuration", `password = "plain"`, "", "plain", ""},
		{"in a file", `password_file = "good"`, "", "of a file", ""},
		{"in the environment", "", "of the environment", "of the environment", ""},
		{"the file wins", `password_file = "good"`, "of the environment", "of a file", ""},
		{"the key wins", `password = "plain"`, "of the environment", "plain", ""},
		{"both keys", "password = \"plain\"\npassword_file = \"good\"", "", "", "give one of them"},
		{"no such file", `password_file = "no"`, "", "", `metrics.password_file = "no": file does not exist`},
		{"two lines", `password_file = "lines"`, "", "", `metrics.password_file = "lines": must have one line`},
		{"an empty file", `password_file = "empty"`, "", "", "must have one line, and be 1 to 1024 octets"},
		{"bad environment", "", "a\nb", "", "environment variable LATENCY_MONITOR_LOG_PASSWORD: must be"},
		{"wrong type", "password = 5", "", "", "must be a string"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := h
			h.getenv = func(variable string) string {
				if variable == "LATENCY_MONITOR_LOG_PASSWORD" {
					return test.environment
				}
				return ""
			}
			c, err := parse(source{data: []byte("[metrics]\nbackend = \"log\"\n" + test.keys)}, Overrides{}, h)
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Fatalf("error = %v, want it to contain %q", err, test.wantErr)
				}
				for _, secret := range []string{"of the environment", "of a file"} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("error = %v, which tells the secret", err)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Backends[0].Text("password"); got != test.want {
				t.Errorf("password = %q, want %q", got, test.want)
			}
			var printed strings.Builder
			if err := c.WriteTOML(&printed); err != nil {
				t.Fatal(err)
			}
			if test.want != "" && strings.Contains(printed.String(), test.want) {
				t.Errorf("printed:\n%s\nwhich tells the secret", printed.String())
			}
			if fromFile := strings.Contains(test.keys, "_file"); fromFile != strings.Contains(printed.String(), `password_file = "good"`) {
				t.Errorf("printed:\n%s\nwant the file's name: %v", printed.String(), fromFile)
			}
		})
	}
}

func TestDatadogIsConfiguredByItsOwnVariables(t *testing.T) {
	for _, test := range []struct {
		name, keys        string
		environment       map[string]string
		wantSite, wantKey string
		wantErr           string
	}{
		{"nothing", "", nil, "", "", `metrics.backend = "datadog": metrics.api_key is missing: ` +
			"give it, metrics.api_key_file, or the environment variable LATENCY_MONITOR_DATADOG_API_KEY or DD_API_KEY"},
		{"no site", "api_key = \"f\"", nil, "datadoghq.com", "f", ""},
		{"variables", "", map[string]string{"DD_SITE": "us3.datadoghq.com", "DD_API_KEY": "k"}, "us3.datadoghq.com", "k", ""},
		{"keys win", "site = \"datadoghq.eu\"\napi_key = \"f\"", map[string]string{"DD_SITE": "us3.datadoghq.com", "DD_API_KEY": "k"},
			"datadoghq.eu", "f", ""},
		{"our variable wins", "", map[string]string{"DD_API_KEY": "k", "LATENCY_MONITOR_DATADOG_API_KEY": "o"}, "datadoghq.com", "o", ""},
		{"a site that is a URL", "", map[string]string{"DD_SITE": "https://datadoghq.eu"}, "", "",
			"environment variable DD_SITE: must be an IP address or a host name of 1 to 253 octets"},
		{"a key of two lines", "", map[string]string{"DD_API_KEY": "k3y\nx"}, "", "", "environment variable DD_API_KEY: must be 1 to 1024"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := host{
				name:   func() (string, error) { return testHost, nil },
				getenv: func(variable string) string { return test.environment[variable] },
			}
			c, err := parse(source{data: []byte("[metrics]\nbackend = \"datadog\"\n" + test.keys)}, Overrides{}, h)
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) || strings.Contains(err.Error(), "k3y") {
					t.Fatalf("error = %v, want %q", err, test.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if b := c.Backends[0]; b.Text("site") != test.wantSite || b.Text("api_key") != test.wantKey {
				t.Errorf("site = %q, api_key = %q, want %q, %q", b.Text("site"), b.Text("api_key"), test.wantSite, test.wantKey)
			}
		})
	}
}

func TestBackendKeysHaveTheirTypes(t *testing.T) {
	b := Backend{Keys: map[string]any{"text": "a", "int": int64(5), "on": true, "seconds": 0.25}}
	if b.Text("text") != "a" || b.Int("int") != 5 || !b.Bool("on") || b.Seconds("seconds").Milliseconds() != 250 {
		t.Errorf("%v are read as %q, %d, %v, %v", b.Keys, b.Text("text"), b.Int("int"), b.Bool("on"), b.Seconds("seconds"))
	}
	if b.Text("no") != "" || b.Int("no") != 0 || b.Bool("no") || b.Seconds("no") != 0 {
		t.Error("an absent key is not the zero value")
	}
}
