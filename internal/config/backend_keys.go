package config

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// backendKey is a key of a backend.
type backendKey struct {
	name    string
	allowed string
	initial any    // its default; nil: it is absent unless it is given
	depends string // what an absent key means, when that depends on others, for people
	// derive returns that value, nil if there is none, from the keys in front of this one and the name of
	// this host; nil: it does not depend on others
	derive   func(b Backend, hostName string) any
	secret   bool
	required bool
	// variable is an environment variable that the key may be in, beside that of every secret; "": none
	variable string
	read     func(t *table) *setting[any]
}

// backendKeys are the keys of each backend beside its name. Those of a backend that is not here are
// taken as they are.
var backendKeys = map[string][]backendKey{
	BackendCLI: {bufferKey, keyOf("format", oneOf("json", "text"), "json")},
	BackendZeroMQ: {bufferKey, keyOf("address", socketAddressRule, "0.0.0.0"), keyOf("port", portRule, 8002),
		keyOf("hwm", intBetween(1, 10_000_000, "messages"), 1000)},
	BackendLog: {bufferKey, keyOf("level", backendLevelRule, defaultBackendLogLevel)},

	BackendPrometheus:  prometheusKeys,
	BackendPushgateway: pushgatewayKeys,
	BackendDatadog: {
		bufferKey,
		keyOf("site", hostRule, "datadoghq.com").orIn("DD_SITE"),
		secretKey("api_key").orIn("DD_API_KEY").mustBeGiven(),
		keyOf("send_interval", numberBetween(1, 3600, "seconds"), 30.0),
		keyOf("late_limit", numberBetween(1, 3600, "seconds"), 60.0),
		optionalKey("url", urlRule),
		optionalKey("ca_file", keyFileRule),
		keyOf("insecure_skip_verify", boolRule, false),
	},
	BackendClickHouse: clickHouseKeys,
}

// bufferKey is for how many points wait while a backend is slow or away.
var bufferKey = keyOf("buffer", intBetween(1000, 10_000_000, "points"), 100_000)

// keyOf makes a key that has a default.
func keyOf[T any](name string, r rule[T], initial T) backendKey {
	k := optionalKey(name, r)
	k.initial = plain(initial)
	return k
}

// optionalKey makes a key that is absent unless it is given.
func optionalKey[T any](name string, r rule[T]) backendKey {
	return backendKey{name: name, allowed: r.want(), read: func(t *table) *setting[any] {
		s := read(t, name, r)
		if s == nil {
			return nil
		}
		return &setting[any]{plain(s.value), s.from}
	}}
}

// dependent says what an absent key means, for people and as a value.
func (k backendKey) dependent(text string, derive func(b Backend, hostName string) any) backendKey {
	k.depends, k.derive = text, derive
	return k
}

// listKey makes a key that holds a list and has a default.
func listKey(name string, r listRule[string], initial ...string) backendKey {
	asList := func(values []string) any {
		list := make([]any, len(values))
		for i, v := range values {
			list[i] = v
		}
		return list
	}
	return backendKey{name: name, allowed: r.kind + ", each " + r.element.allowed, initial: asList(initial),
		read: func(t *table) *setting[any] {
			s := readList(t, name, r)
			if s == nil {
				return nil
			}
			return &setting[any]{asList(s.value), s.from}
		}}
}

// secretKey makes a key whose value may also be in a file, which the key NAME_file names, or in an
// environment variable; see readSecrets.
func secretKey(name string) backendKey {
	k := optionalKey(name, secretRule)
	k.secret = true
	return k
}

// orIn lets a key be in an environment variable, too.
func (k backendKey) orIn(variable string) backendKey { k.variable = variable; return k }

// mustBeGiven makes it a mistake to leave a key out.
func (k backendKey) mustBeGiven() backendKey { k.required = true; return k }

// fileKey is the key that names the file of a secret.
func (k backendKey) fileKey() backendKey { return optionalKey(k.name+"_file", keyFileRule) }

// backendLevelRule is logLevelRule for a value that is kept in small letters.
var backendLevelRule = rule[string]{
	kind: logLevelRule.kind, allowed: logLevelRule.allowed, valid: logLevelRule.valid,
	decode: func(value any) (string, bool) {
		level, ok := decodeString(value)
		return strings.ToLower(level), ok
	},
}

// urlRule takes what paths can be appended to. User and password are for keys that are masked.
var urlRule = rule[string]{
	kind:    "a string",
	allowed: "a URL that begins with http:// or https://, without user, query and fragment",
	decode:  decodeString,
	valid: func(s string) bool {
		u, err := url.Parse(s)
		return err == nil && isPlainText(s) && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" &&
			u.User == nil && !strings.ContainsAny(s, "?#")
	},
}

// plain is a value as TOML gives it.
func plain(value any) any {
	if i, ok := value.(int); ok {
		return int64(i)
	}
	return value
}

// readKeys completes a backend by the keys of its table.
func (b *backend) readKeys(t *table, keys []backendKey) {
	b.path, b.from = t.path, map[string]origin{}
	for _, k := range keys {
		s := k.read(t)
		if k.secret {
			file := k.fileKey().read(t)
			if s != nil && file != nil {
				t.doc.fail(conflict(s.from, file.from, "give one of them"))
			}
			b.take(k.name+"_file", file)
		}
		if s == nil && k.initial != nil && k.variable == "" { // else see readSecrets
			s = byDefault(t.path.key(k.name).String(), k.initial)
		}
		b.take(k.name, s)
	}
}

func (b *backend) take(key string, s *setting[any]) {
	if s != nil {
		b.keys[key], b.from[key] = s.value, s.from
	}
}

// readSecrets fills in the secrets that are in files of their own, and what is in the environment: the
// password of backend clickhouse in LATENCY_MONITOR_CLICKHOUSE_PASSWORD. A file wins.
func (b *backend) readSecrets(h host) error {
	for _, k := range backendKeys[b.name.value] {
		if name, inFile := b.keys[k.name+"_file"]; inFile && k.secret {
			secret, err := readOneLine(h.readSecret, name.(string))
			if err != nil {
				return fmt.Errorf("%s: %w", b.from[k.name+"_file"], err)
			}
			b.keys[k.name] = secret
			continue
		}
		if _, given := b.keys[k.name]; given {
			continue
		}
		if err := b.readEnvironment(k, h.getenv); err != nil {
			return err
		}
	}
	return nil
}

// readEnvironment fills in a key, whose values are texts, from the first of its variables that is set, or
// by its default.
func (b *backend) readEnvironment(k backendKey, getenv func(string) string) error {
	for _, variable := range k.variables(b.name.value) {
		value := getenv(variable)
		if value == "" {
			continue
		}
		if !k.accepts(value) {
			return fmt.Errorf("environment variable %s: must be %s", variable, strings.TrimPrefix(k.allowed, "a string, "))
		}
		b.take(k.name, &setting[any]{value, origin{assignment: "environment variable " + variable}})
		return nil
	}
	if k.required && k.secret {
		return b.missing(k, fmt.Sprintf("give it, %s, or the environment variable %s", b.path.key(k.name+"_file"),
			strings.Join(k.variables(b.name.value), " or ")))
	}
	if k.required {
		return b.missing(k, "must be "+k.allowed)
	}
	if k.initial != nil {
		b.keys[k.name] = k.initial
	}
	return nil
}

// variables are those that a key of a backend may be in.
func (k backendKey) variables(backend string) []string {
	var names []string
	if k.secret {
		names = append(names, "LATENCY_MONITOR_"+strings.ToUpper(backend+"_"+k.name))
	}
	if k.variable != "" {
		names = append(names, k.variable)
	}
	return names
}

// accepts reports whether a key may have a value.
func (k backendKey) accepts(value any) bool {
	t := &table{doc: new(document), values: map[string]any{k.name: value}}
	return k.read(t) != nil
}

// readOneLine reads a secret from a file: its only line. The error does not quote it.
func readOneLine(readSecret func(string) ([]byte, error), name string) (string, error) {
	data, err := readSecret(name)
	if err != nil {
		return "", cause(err)
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if !secretRule.accepts(secret) {
		return "", fmt.Errorf("must have one line, and be %s", secretRule.allowed)
	}
	return secret, nil
}

// Text returns the value of a key that is a string; "" if it is absent.
func (b Backend) Text(key string) string { text, _ := b.Keys[key].(string); return text }

// Int returns the value of a key that is an integer; 0 if it is absent.
func (b Backend) Int(key string) int { i, _ := b.Keys[key].(int64); return int(i) }

// Bool returns the value of a key that is a boolean; false if it is absent.
func (b Backend) Bool(key string) bool { v, _ := b.Keys[key].(bool); return v }

// Has reports whether a key is there.
func (b Backend) Has(key string) bool { _, there := b.Keys[key]; return there }

// Texts returns the value of a key that is a list of strings; nil if it is absent.
func (b Backend) Texts(key string) []string {
	list, _ := b.Keys[key].([]any)
	var texts []string
	for _, element := range list {
		text, _ := element.(string)
		texts = append(texts, text)
	}
	return texts
}

// Seconds returns the value of a key that is a number of seconds; 0 if it is absent.
func (b Backend) Seconds(key string) time.Duration {
	seconds, _ := b.Keys[key].(float64)
	return time.Duration(seconds * float64(time.Second))
}

// BackendKey tells people of a key of a backend.
type BackendKey struct {
	Name    string
	Allowed string // which values
	Default any    // nil: none
	Depends string // what the default is, when that depends on other keys
}

// BackendKeys are the keys that a backend of this build has beside its name; nil if it has none of its
// own.
func BackendKeys(backend string) []BackendKey {
	var keys []BackendKey
	for _, k := range backendKeys[backend] {
		keys = append(keys, BackendKey{k.name, k.allowed, k.initial, k.depends})
		if k.secret {
			keys = append(keys, BackendKey{k.fileKey().name, k.fileKey().allowed, nil, ""})
		}
	}
	return keys
}
