package config

import (
	"net/netip"
	"net/url"
	"strings"
)

// prometheusKeys are the keys of the backend prometheus.
var prometheusKeys = []backendKey{
	bufferKey,
	keyOf("listen", listenRule, "127.0.0.1:9810"),
}

// pushgatewayKeys are the keys of the backend pushgateway.
var pushgatewayKeys = []backendKey{
	bufferKey,
	keyOf("gateway", gatewayRule, "http://127.0.0.1:9091"),
	keyOf("job", groupingRule, "latency-monitor"),
	optionalKey("instance", groupingRule).dependent("our `name`", func(_ Backend, hostName string) any { return hostName }),
	keyOf("send_interval", numberBetween(1, 3600, "seconds"), 30.0),
	optionalKey("username", usernameRule),
	secretKey("password"),
	optionalKey("ca_file", keyFileRule),
	keyOf("insecure_skip_verify", boolRule, false),
	keyOf("delete_on_exit", boolRule, false),
}

// listenRule takes an address and a port; without address it is every address.
var listenRule = rule[string]{
	kind:    "a string",
	allowed: `an IP address and a port, such as "127.0.0.1:9810", "[::1]:9810" or ":9810"`,
	decode:  decodeString,
	valid: func(s string) bool {
		if strings.HasPrefix(s, ":") {
			s = "0.0.0.0" + s
		}
		a, err := netip.ParseAddrPort(s)
		return err == nil && a.Port() > 0 && isPlainText(s)
	},
}

// gatewayRule takes what the path of a push can be appended to. User and password have keys of their own,
// which are masked.
var gatewayRule = rule[string]{
	kind:    "a string",
	allowed: "host:port, or a URL that begins with http:// or https://, without user, query and fragment",
	decode:  decodeString,
	valid: func(s string) bool {
		if !strings.Contains(s, "://") {
			s = "http://" + s
		}
		u, err := url.Parse(s)
		return err == nil && isPlainText(s) && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
			u.User == nil && !strings.ContainsAny(s, "?#")
	},
}

var groupingRule = rule[string]{
	kind:    "a string",
	allowed: "1 to 200 octets of UTF-8 without control characters",
	decode:  decodeString,
	valid:   func(s string) bool { return s != "" && len(s) <= 200 && isPlainText(s) },
}

// usernameRule leaves out what ends a name in HTTP's basic authentication (RFC 7617 section 2).
var usernameRule = rule[string]{
	kind:    "a string",
	allowed: `1 to 200 octets of UTF-8 without ":" and control characters`,
	decode:  decodeString,
	valid:   func(s string) bool { return groupingRule.valid(s) && !strings.Contains(s, ":") },
}
