package config

import "testing"

func TestAddressesOfPrometheusBackends(t *testing.T) {
	for _, test := range []struct {
		rule      rule[string]
		good, bad []string
	}{
		{listenRule,
			[]string{"127.0.0.1:9810", "[::1]:9810", "[fe80::1%eth0]:1", ":65535", "0.0.0.0:80"},
			[]string{"", "9810", ":", ":0", "127.0.0.1", "127.0.0.1:0", "localhost:9810", "::1:9810x", "127.0.0.1:65536", "127.0.0.1:9810\n"}},
		{gatewayRule,
			[]string{"localhost:9091", "192.0.2.1:9091", "[::1]:9091", "http://push", "https://push.example.net:443/a/b/"},
			[]string{"", "http://", "ftp://push", "http://me:secret@push", "me:secret@push:9091", "http://push?x", "http://push#x", "http://pu sh", ":9091"}},
		{usernameRule, []string{"me", "Jiří"}, []string{"", "a:b", "a\nb"}},
	} {
		for _, s := range test.good {
			if !test.rule.accepts(s) {
				t.Errorf("%q is refused, want it accepted as %s", s, test.rule.allowed)
			}
		}
		for _, s := range test.bad {
			if test.rule.accepts(s) {
				t.Errorf("%q is accepted as %s", s, test.rule.allowed)
			}
		}
	}
}
