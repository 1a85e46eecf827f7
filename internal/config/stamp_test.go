package config

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

const (
	keyA = "a secret of 21 octets"
	keyB = "b secret of 21 octets"
	hexC = "hex:000102030405060708090a0b0c0D0E0F"
)

// testSecrets are the files with keys of a test, by name.
var testSecrets = map[string]string{
	"a.key":     keyA + "\n",
	"crlf.key":  keyA + "\r\n",
	"bare.key":  keyA,
	"c.key":     "# of 2026\n\n" + hexC + "\n",
	"both.key":  keyA + "\n" + hexC + "\n",
	"empty.key": "",
	"notes.key": "# nothing yet\n\n",
	"short.key": "# a comment\nshort\n",
	"twice.key": keyA + "\n" + keyB + "\n" + keyA + "\n",
	"many.key":  manyKeys("", "\n"),
}

func readTestSecret(name string) ([]byte, error) {
	text, exists := testSecrets[name]
	if !exists {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return []byte(text), nil
}

// manyKeys are more keys than there may be, each in quotes and followed by end.
func manyKeys(quote, end string) string {
	var b strings.Builder
	for i := range maxKeys + 1 {
		fmt.Fprintf(&b, "%s%016d%s%s", quote, i, quote, end)
	}
	return b.String()
}

func octets(from, to byte) Key {
	var key Key
	for b := from; b <= to; b++ {
		key = append(key, b)
	}
	return key
}

func TestTargetsInheritHowToSpeakStamp(t *testing.T) {
	const top = "protocol = \"stamp\"\nstamp_format = \"ptp\"\nptp_utc_offset = 0\ndscp = 46\nttl = 64\n" +
		"auth_key = \"" + keyA + "\"\nowd_at_sender = \"never\"\n"
	inherited := Stamp{ProtocolStamp, FormatPTP, 0, Key(keyA), "", OWDNever}
	for _, test := range []struct {
		name      string
		top       string
		target    string
		wantDSCP  int
		wantTTL   int
		wantStamp Stamp
	}{
		{"nothing set", "", "", 0, 0, plainTarget("h").Stamp},
		{"everything inherited", top, "", 46, 64, inherited},
		{"everything its own", top, "protocol = \"auto\"\nstamp_format = \"ntp\"\nptp_utc_offset = 255\ndscp = 63\n" +
			"ttl = 255\nauth_key = \"" + keyB + "\"\nowd_at_sender = \"always\"", 63, 255,
			Stamp{ProtocolAuto, FormatNTP, 255 * time.Second, Key(keyB), "", OWDAlways}},
		{"the smallest values", "", "dscp = 0\nttl = 1\nptp_utc_offset = 0", 0, 1,
			Stamp{ProtocolAuto, FormatNTP, 0, nil, "", OWDAuto}},
		{"text", "", `protocol = "text"`, 0, 0, Stamp{ProtocolText, FormatNTP, 37 * time.Second, nil, "", OWDAuto}},
		{"its own file instead of a key", top, `auth_key_file = "c.key"`, 46, 64,
			Stamp{ProtocolStamp, FormatPTP, 0, octets(0, 15), "c.key", OWDNever}},
		{"its own key instead of a file", `auth_key_file = "a.key"`, `auth_key = "` + hexC + `"`, 0, 0,
			Stamp{ProtocolAuto, FormatNTP, 37 * time.Second, octets(0, 15), "", OWDAuto}},
		{"the key taken away", top, `auth_key = ""`, 46, 64, Stamp{ProtocolStamp, FormatPTP, 0, nil, "", OWDNever}},
		{"the file taken away", `auth_key_file = "a.key"`, `auth_key = ""`, 0, 0, plainTarget("h").Stamp},
		{"text where there is no key", top, "auth_key = \"\"\nprotocol = \"text\"", 46, 64,
			Stamp{ProtocolText, FormatPTP, 0, nil, "", OWDNever}},
		{"text in the address of a target without UDP", top, "protocol = \"text\"\ntype = \"tcp\"", 46, 64,
			Stamp{ProtocolText, FormatPTP, 0, Key(keyA), "", OWDNever}},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := test.top + "\n[[targets]]\nhost = \"h\"\n" + test.target
			got := only(t, mustLoad(t, text, Overrides{}))
			if got.DSCP != test.wantDSCP || got.TTL != test.wantTTL || !reflect.DeepEqual(got.Stamp, test.wantStamp) {
				t.Errorf("load(%q) = DSCP %d, TTL %d, %#v, key %q, want %d, %d, %#v, key %q", text, got.DSCP, got.TTL,
					got.Stamp, []byte(got.Stamp.AuthKey), test.wantDSCP, test.wantTTL, test.wantStamp, []byte(test.wantStamp.AuthKey))
			}
		})
	}
}

func TestKeysSetTheReflector(t *testing.T) {
	for _, test := range []struct {
		name string
		text string
		want func(*Reflector)
	}{
		{"stateless", `reflector = "stateless"`, func(r *Reflector) { r.Mode = Stateless }},
		{"another port", "stamp_port = 862", func(r *Reflector) { r.StampPort = 862 }},
		{"no other port", "stamp_port = 0", func(*Reflector) {}},
		{"the format of targets", "stamp_format = \"ptp\"\nptp_utc_offset = 0",
			func(r *Reflector) { r.Format, r.PTPUTCOffset = FormatPTP, 0 }},
		{"keys", `auth_keys = ["` + keyA + `", "` + hexC + `"]`,
			func(r *Reflector) { r.AuthKeys = []Key{Key(keyA), octets(0, 15)} }},
		{"keys in a file", "auth_keys_file = \"both.key\"\nrequire_auth = true", func(r *Reflector) {
			r.AuthKeys, r.AuthKeysFile, r.RequireAuth = []Key{Key(keyA), octets(0, 15)}, "both.key", true
		}},
		{"the key of targets is not one of ours", `auth_key = "` + keyA + `"`, func(*Reflector) {}},
		{"required", "auth_keys = [\"" + keyA + "\"]\nrequire_auth = true",
			func(r *Reflector) { r.AuthKeys, r.RequireAuth = []Key{Key(keyA)}, true }},
		{"no limit", "rate_limit = 0", func(r *Reflector) { r.RateLimit = 0 }},
		{"the highest limit", "rate_limit = 10000000", func(r *Reflector) { r.RateLimit = 10_000_000 }},
		{"nobody named", "allow = []", func(*Reflector) {}},
		{"prefixes and addresses", `allow = ["192.0.2.0/24", "198.51.100.7", "2001:db8::/32", "::1", "0.0.0.0/0", ` +
			`"::ffff:203.0.113.0/120", "::ffff:203.0.113.9"]`, func(r *Reflector) {
			for _, p := range []string{"192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32", "::1/128", "0.0.0.0/0",
				"203.0.113.0/24", "203.0.113.9/32"} {
				r.Allow = append(r.Allow, netip.MustParsePrefix(p))
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := serverConfig().Reflector
			test.want(&want)
			got := mustLoad(t, test.text, Overrides{}).Reflector
			if !reflect.DeepEqual(got, want) {
				t.Errorf("load(%q) = %+v, want %+v", test.text, got, want)
			}
		})
	}
}

func TestKeysAreReadFromFiles(t *testing.T) {
	for file, want := range map[string]Key{
		"a.key": Key(keyA), "crlf.key": Key(keyA), "bare.key": Key(keyA), "c.key": octets(0, 15),
	} {
		text := "auth_key_file = \"" + file + "\"\n[[targets]]\nhost = \"a\"\n[[targets]]\nhost = \"b\""
		for i, target := range mustLoad(t, text, Overrides{}).Targets {
			if !bytes.Equal(target.Stamp.AuthKey, want) {
				t.Errorf("%s: key of target %d = %q, want %q", file, i, []byte(target.Stamp.AuthKey), []byte(want))
			}
		}
	}
}

func TestTargetsDoNotShareTheMemoryOfAKey(t *testing.T) {
	const text = "auth_key_file = \"a.key\"\nauth_keys_file = \"a.key\"\n[[targets]]\nhost = \"a\"\n[[targets]]\nhost = \"b\""
	c := mustLoad(t, text, Overrides{})
	clear(c.Targets[0].Stamp.AuthKey)
	if string(c.Targets[1].Stamp.AuthKey) != keyA || string(c.Reflector.AuthKeys[0]) != keyA {
		t.Error("a change of one target's key changed others")
	}
}

func TestKeysThatAreAccepted(t *testing.T) {
	for text, want := range map[string]int{
		"sixteen octets..":                              16,
		strings.Repeat("ä", 32):                         64,
		"hex:" + strings.Repeat("00", 16):               16,
		"hex:" + strings.Repeat("fF", 64):               64,
		"base64:AAECAwQFBgcICQoLDA0ODw==":               16,
		"base64:" + strings.Repeat("////", 21) + "AA==": 64,
		"hex without a colon":                           19,
		"0123456789abcdef0123456789abcdef":              32,
		"with a # inside, \"quotes\" and 'others'":      38,
	} {
		key, ok := parseKey(text)
		if !ok || len(key) != want {
			t.Errorf("parseKey(%q) = %d octets, %v, want %d octets, true", text, len(key), ok, want)
		}
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty":                      "",
		"too short":                  "fifteen octets.",
		"too long":                   strings.Repeat("k", 65),
		"too short in hex":           "hex:" + strings.Repeat("00", 15),
		"too long in hex":            "hex:" + strings.Repeat("00", 65),
		"half an octet":              "hex:" + strings.Repeat("0", 33),
		"no hex":                     "hex:" + strings.Repeat("zz", 16),
		"no base64":                  "base64:" + strings.Repeat("*", 32),
		"base64 without padding":     "base64:AAECAwQFBgcICQoLDA0ODw",
		"base64 of too many bits":    "base64:AAECAwQFBgcICQoLDA0OD/==",
		"base64 of several lines":    "base64:AAECAwQFBgcI\nCQoLDA0ODw==",
		"control character":          "a secret\tof 21 octets",
		"not UTF-8":                  "a secret of 21 octets\xff",
		"space at the end":           keyA + " ",
		"space at the beginning":     " " + keyA,
		"a comment in a file":        "#" + keyA,
		"what --check-config prints": masked,
	} {
		if _, ok := parseKey(text); ok {
			t.Errorf("%s: parseKey(%q) = true, want false", name, text)
		}
	}
}

func TestErrorsOfStampKeys(t *testing.T) {
	const (
		host   = "[[targets]]\nhost = \"h\"\n"
		key    = `a key of 16 to 64 octets: text without control characters, hex:… or base64:…`
		prefix = `an IP address, or a prefix whose other bits are 0, such as "192.0.2.0/24"; without zone`
	)
	for _, test := range []struct{ name, text, want string }{
		{"protocol unknown", `protocol = "twamp"`, `protocol = "twamp": must be auto, text or stamp`},
		{"protocol in capitals", `protocol = "STAMP"`, `protocol = "STAMP": must be auto, text or stamp`},
		{"format unknown", `stamp_format = "tai"`, `stamp_format = "tai": must be ntp or ptp`},
		{"offset negative", "ptp_utc_offset = -1", "ptp_utc_offset = -1: must be 0 to 255 seconds"},
		{"offset too big", "ptp_utc_offset = 256", "ptp_utc_offset = 256: must be 0 to 255 seconds"},
		{"offset a string", `ptp_utc_offset = "37s"`, `line 1: ptp_utc_offset = "37s": must be an integer, 0 to 255 seconds`},
		{"DSCP negative", "dscp = -1", "dscp = -1: must be 0 to 63"},
		{"DSCP too big", host + "dscp = 64", "targets[0].dscp = 64: must be 0 to 63"},
		{"DSCP by name", `dscp = "ef"`, `line 1: dscp = "ef": must be an integer, 0 to 63`},
		{"TTL 0", "ttl = 0", "ttl = 0: must be 1 to 255 hops"},
		{"TTL too big", host + "ttl = 256", "targets[0].ttl = 256: must be 1 to 255 hops"},
		{"owd_at_sender a switch", "owd_at_sender = true",
			"line 1: owd_at_sender = true: must be a string, auto, always or never"},
		{"owd_at_sender unknown", `owd_at_sender = "both"`, `owd_at_sender = "both": must be auto, always or never`},

		{"key too short", `auth_key = "s3cret"`, `auth_key = "********": must be ` + key + `; "" is none`},
		{"key masked", host + `auth_key = "********"`, `targets[0].auth_key = "********": must be the secret itself: ` +
			"this is what stands for it where a configuration is printed"},
		{"key a number", "auth_key = 3333333333333333", `line 1: auth_key = "********": must be a string, ` + key + `; "" is none`},
		{"key a table", "auth_key = {s3cret = 1}", `line 1: auth_key = "********": must be a string, ` + key + `; "" is none`},
		{"key file without name", `auth_key_file = ""`, `auth_key_file = "": must be a file name without control characters`},
		{"key and file", "auth_key = \"" + keyA + "\"\nauth_key_file = \"a.key\"",
			`auth_key = "********" and auth_key_file = "a.key": give one of them`},
		{"no key and a file", host + "auth_key = \"\"\nauth_key_file = \"a.key\"",
			`targets[0].auth_key = "********" and targets[0].auth_key_file = "a.key": give one of them`},
		{"key file missing", host + `auth_key_file = "missing.key"`,
			`targets[0].auth_key_file = "missing.key": file does not exist`},
		{"inherited key file missing", "auth_key_file = \"missing.key\"\n" + host,
			`auth_key_file = "missing.key": file does not exist`},
		{"key file empty", host + `auth_key_file = "empty.key"`,
			`targets[0].auth_key_file = "empty.key": must have a key: it is empty`},
		{"key file of comments", host + `auth_key_file = "notes.key"`,
			`targets[0].auth_key_file = "notes.key": must have a key: it is empty`},
		{"key file with a short key", host + `auth_key_file = "short.key"`,
			`targets[0].auth_key_file = "short.key": line 2: must be ` + key},
		{"key file of several keys", host + `auth_key_file = "both.key"`,
			`targets[0].auth_key_file = "both.key": must have one key, and has 2`},
		{"text with a key", host + "protocol = \"text\"\nauth_key_file = \"a.key\"",
			`targets[0].protocol = "text" and targets[0].auth_key_file = "a.key": ` +
				`text has no authentication: protocol must be stamp or auto, or auth_key ""`},
		{"text with an inherited key", "auth_key = \"" + keyA + "\"\n" + host + `protocol = "text"`,
			`targets[0].protocol = "text" and auth_key = "********": ` +
				`text has no authentication: protocol must be stamp or auto, or auth_key ""`},

		{"keys a string", `auth_keys = "` + keyA + `"`, `line 1: auth_keys = "********": must be a list of strings`},
		{"one of the keys too short", `auth_keys = ["` + keyA + `", "s3cret"]`, `auth_keys[1] = "********": must be ` + key},
		{"one of the keys empty", `auth_keys = [""]`, `auth_keys[0] = "********": must be ` + key},
		{"one of the keys a number", `auth_keys = [33333333]`, `line 1: auth_keys[0] = "********": must be a string, ` + key},
		{"a key twice", `auth_keys = ["` + keyA + `", "` + keyA + `"]`, `auth_keys[1] = "********": must be given once`},
		{"too many keys", "auth_keys = [" + manyKeys(`"`, ",") + "]", "auth_keys has 17 elements: must be at most 16"},
		{"too many keys in a file", `auth_keys_file = "many.key"`,
			`auth_keys_file = "many.key": must have at most 16 keys, and has 17`},
		{"a key twice in a file", `auth_keys_file = "twice.key"`, `auth_keys_file = "twice.key": line 3: must be given once`},
		{"file of keys missing", `auth_keys_file = "missing.key"`, `auth_keys_file = "missing.key": file does not exist`},
		{"keys and a file of keys", "auth_keys = [\"" + keyA + "\"]\nauth_keys_file = \"a.key\"",
			`auth_keys = "********" and auth_keys_file = "a.key": give one of them`},
		{"authentication without keys", "require_auth = true",
			"require_auth = true: needs auth_keys or auth_keys_file, or nobody is answered"},
		{"authentication with an empty list", "require_auth = true\nauth_keys = []\nauth_key = \"" + keyA + "\"",
			"require_auth = true: needs auth_keys or auth_keys_file, or nobody is answered"},
		{"keys of the top in a target", host + "auth_keys = []", `unknown key "targets[0].auth_keys" (did you mean "auth_key"?)`},

		{"port negative", "stamp_port = -1", "stamp_port = -1: must be 0 to 65535 (0 is none)"},
		{"port too big", "stamp_port = 65536", "stamp_port = 65536: must be 0 to 65535 (0 is none)"},
		{"the same port twice", "stamp_port = 862\nudp_port = 862",
			"stamp_port = 862 and udp_port = 862: stamp_port must be another port than udp_port"},
		{"the default port twice", "stamp_port = 8001",
			"stamp_port = 8001 and udp_port = 8001 (the default): stamp_port must be another port than udp_port"},
		{"rate limit negative", "rate_limit = -1",
			"rate_limit = -1: must be 0 to 10000000 packets per second (0 is no limit)"},
		{"reflector unknown", `reflector = "off"`, `reflector = "off": must be stateful or stateless`},
		{"allow a string", `allow = "::/0"`, `line 1: allow = "::/0": must be a list of strings`},
		{"allow a name", `allow = ["localhost"]`, `allow[0] = "localhost": must be ` + prefix},
		{"allow with bits beyond the prefix", `allow = ["::/0", "192.0.2.1/24"]`, `allow[1] = "192.0.2.1/24": must be ` + prefix},
		{"allow with zone", `allow = ["fe80::1%eth0"]`, `allow[0] = "fe80::1%eth0": must be ` + prefix},
		{"allow with a prefix that is too long", `allow = ["192.0.2.0/33"]`, `allow[0] = "192.0.2.0/33": must be ` + prefix},
		{"allow with part of the IPv4 addresses in IPv6", `allow = ["::ffff:0.0.0.0/95"]`,
			`allow[0] = "::ffff:0.0.0.0/95": must be ` + prefix},
		{"allow of too many", "allow = [" + strings.Repeat(`"::1",`, 513) + "]", "allow has 513 elements: must be at most 512"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(test.text, Overrides{})
			checkError(t, err, "latency.toml: "+test.want)
		})
	}
}

func TestStampPortMustDifferFromThePortOfTheCommandLine(t *testing.T) {
	_, err := load("stamp_port = 862", Overrides{UDPPort: ptr(862)})
	checkError(t, err, "latency.toml: stamp_port = 862 and --udp-port 862: stamp_port must be another port than udp_port")
	if _, err := load("stamp_port = 8001", Overrides{UDPPort: ptr(862)}); err != nil {
		t.Errorf("load = %v, want no error", err)
	}
}

func TestKeysDoNotPrintThemselves(t *testing.T) {
	c := mustLoad(t, "auth_key = \""+keyA+"\"\nauth_keys = [\""+keyB+"\"]\n[[targets]]\nhost = \"h\"", Overrides{})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		printed := fmt.Sprintf(verb, c)
		if strings.Contains(printed, "secret") || strings.Contains(printed, fmt.Sprint([]byte("secret"))) ||
			strings.Contains(printed, fmt.Sprintf("%#v", []byte("se"))[7:17]) {
			t.Errorf("%s gives a key away: %s", verb, printed)
		}
	}
}

// readTestFile has no file but one with a certificate and one without.
func readTestFile(name string) ([]byte, error) {
	switch name {
	case "ca.pem":
		return []byte(testCertificate), nil
	case "text":
		return []byte("no PEM"), nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// testCertificate signs itself, until the year 2126. Its key is nobody's.
const testCertificate = `-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUK917R+DmdRtWiq1Vl3nMbaSc44wwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjgyMDI5MzJaGA8yMTI2MTEwNDIwMjkz
MlowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABErX
7q5otpq9HP4UvgBb/uUlDNXTxBNshNpB1o4RdXWeE6Jub+Vka7aKDGPbG5l6vek+
5B/3olPmHxplBFu1+fOjUzBRMB0GA1UdDgQWBBTxK1Dv1RrmxaSq2G6NrnTFnLPr
MTAfBgNVHSMEGDAWgBTxK1Dv1RrmxaSq2G6NrnTFnLPrMTAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIQDKFDAxaYfMg6217wawRgtbSpMGyK1uGfVf
APeXTNNHfgIgXsKwejo/B36LiMuJ+Ocv9wmQ6geXYLxoGSCA0RsIW34=
-----END CERTIFICATE-----
`
