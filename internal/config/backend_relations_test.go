package config

import (
	"strings"
	"testing"
)

func TestKeysOfABackendThatDoNotGoTogetherAreRefused(t *testing.T) {
	const clickhouse, pushgateway = "backend = \"clickhouse\"\nhost = \"h\"\n", "backend = \"pushgateway\"\n"
	for _, test := range []struct{ name, keys, want string }{
		{"no host", `backend = "clickhouse"`,
			"metrics[1].host is missing: must be a string, an IP address or a host name of 1 to 253 octets"},
		{"a host that is none", "backend = \"clickhouse\"\nhost = \"http://h\"",
			`metrics[1].host = "http://h": must be an IP address or a host name of 1 to 253 octets`},
		{"an unknown compression", clickhouse + `compression = "snappy"`,
			`metrics[1].compression = "snappy": must be none, lz4, zstd or gzip`},
		{"gzip over native", clickhouse + "compression = \"gzip\"\nprotocol = \"native\"",
			`metrics[1].compression = "gzip" and metrics[1].protocol = "native": gzip needs protocol = "http"`},
		{"certificates without TLS", clickhouse + "port = 8123\nca_file = \"ca.pem\"",
			`metrics[1].ca_file = "ca.pem" and metrics[1].secure = false (the default): certificates need secure = true`},
		{"no verification without TLS", clickhouse + "secure = false\ninsecure_skip_verify = true",
			"metrics[1].insecure_skip_verify = true and metrics[1].secure = false: certificates need secure = true"},
		{"certificates that are not there", clickhouse + `ca_file = "none"`,
			`metrics[1].ca_file = "none": file does not exist`},
		{"certificates that are none", pushgateway + `ca_file = "text"`,
			`metrics[1].ca_file = "text": has no certificate in PEM`},
		{"a cluster for nothing", clickhouse + `cluster = "c"`,
			`metrics[1].cluster = "c" and metrics[1].create_table = false (the default): a cluster needs create_table = true`},
		{"two databases", clickhouse + "database = \"a\"\ntable = \"b.c\"",
			`metrics[1].database = "a" and metrics[1].table = "b.c": name one database`},
		{"three columns", clickhouse + `columns = ["a", "b", "c"]`,
			`metrics[1].columns = ["a", "b", "c"]: must be 5 names, or 4 without the last`},
		{"a table to create without a column", clickhouse + "create_table = true\ncolumns = [\"a\", \"b\", \"c\", \"d\"]",
			`metrics[1].create_table = true and metrics[1].columns = ["a", "b", "c", "d"]: a table can be created with all 5 columns only`},
		{"a column twice", clickhouse + "create_table = true\ncolumns = [\"Source\", \"b\", \"c\", \"d\", \"e\"]",
			`metrics[1].create_table = true and metrics[1].columns = ["Source", "b", "c", "d", "e"]: ` +
				"the table that is created has another column Source"},
		{"a batch above half of the buffer", clickhouse + "buffer = 2001\nbatch = 1001",
			"metrics[1].batch = 1001 and metrics[1].buffer = 2001: batch must be at most half of buffer, 1000 points"},
		{"a batch above half of the usual buffer", clickhouse + "batch = 50001",
			"metrics[1].batch = 50001 and metrics[1].buffer = 100000 (the default): batch must be at most half of buffer, 50000 points"},
		{"half of the buffer", clickhouse + "buffer = 2000\nbatch = 1000", ""},
		{"one database, twice", clickhouse + "database = \"b\"\ntable = \"b.c\"", ""},
		{"no api_key", `backend = "datadog"`, "metrics[1].api_key is missing: give it, metrics[1].api_key_file, " +
			"or the environment variable LATENCY_MONITOR_DATADOG_API_KEY or DD_API_KEY"},
		{"a password without a name", pushgateway + `password = "s3cret"`,
			`metrics[1].password = "********": needs metrics[1].username beside it`},
		{"one in a file", pushgateway + `password_file = "a.key"`,
			`metrics[1].password_file = "a.key": needs metrics[1].username beside it`},
		{"a name without a password", pushgateway + `username = "me"`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := load("[[metrics]]\nbackend = \"cli\"\n[[metrics]]\n"+test.keys, Overrides{})
			if test.want == "" {
				if err != nil {
					t.Errorf("error %v, want none", err)
				}
				return
			}
			checkError(t, err, "latency.toml: "+test.want)
		})
	}
}

func TestPasswordOfTheEnvironmentNeedsANameToo(t *testing.T) {
	h := host{
		name: func() (string, error) { return testHost, nil },
		getenv: func(variable string) string {
			return map[string]string{"LATENCY_MONITOR_PUSHGATEWAY_PASSWORD": "p"}[variable]
		},
	}
	_, err := parse(source{}, Overrides{Metrics: ptr(BackendPushgateway)}, h)
	checkError(t, err, "environment variable LATENCY_MONITOR_PUSHGATEWAY_PASSWORD: needs metrics.username beside it")
}

func TestMissingKeyOfABackendFromTheCommandLineNamesTheOption(t *testing.T) {
	_, err := load("", Overrides{Metrics: ptr(BackendClickHouse)})
	if err == nil || !strings.HasPrefix(err.Error(), "--metrics clickhouse: metrics.host is missing: must be ") {
		t.Errorf("error %v, want it to name the option", err)
	}
}
