package config

import (
	"math/bits"
	"net/netip"
	"strings"
	"time"
	"unicode"
)

// Limits that relate keys to one another.
const (
	maxOutstanding = 1_000_000 // probes of one target waiting for a reply: timeout / interval
	maxSpin        = 10 * time.Millisecond
	maxHostOctets  = 253 // RFC 1035 section 2.3.4 allows 255 on the wire
	minRingSize    = 1024
	maxRingSize    = 16777216
	maxKeys        = 16  // that a reflector tries one after the other
	maxAllowed     = 512 // prefixes that it goes through for each packet
)

// The rules of the keys. Nothing writes to these variables.
var (
	boolRule        = rule[bool]{kind: "true or false", decode: decodeBool}
	portRule        = intBetween(1, 65535, "")
	sizeRule        = intBetween(0, 65535, "octets")
	maxSizeRule     = intBetween(64, 65535, "octets")
	intervalRule    = numberBetween(0.1, 86_400_000, "milliseconds")
	timeoutRule     = numberBetween(0.001, 3600, "seconds")
	maxLostRule     = intBetween(1, 1_000_000, "probes")
	maxSessionsRule = intBetween(1, 1_048_576, "sessions")
	typeRule        = oneOfFolded("tcp", "udp")
	nameRule        = textOf(1, 64)
	labelRule       = textOf(1, 200)
	tagsRule        = listRule[string]{kind: "a list of strings", maxCount: 32, element: textOf(1, 200)}
	backendRule     = oneOf(BackendCLI, BackendLog, BackendZeroMQ, BackendDatadog, BackendPushgateway,
		BackendPrometheus, BackendClickHouse)
	logLevelRule = oneOfFolded(logLevels...)
	addressRule  = rule[string]{
		kind:    "a string",
		allowed: "an IPv4 or IPv6 address; leave it out to listen on every address",
		decode:  decodeString,
		valid:   isAddress,
	}
	// socketAddressRule is addressRule where every address has to be given as such.
	socketAddressRule = rule[string]{
		kind:    "a string",
		allowed: "an IPv4 or IPv6 address",
		decode:  decodeString,
		valid:   isAddress,
	}
	hostRule = rule[string]{
		kind:    "a string",
		allowed: "an IP address or a host name of 1 to 253 octets",
		decode:  decodeString,
		valid:   isHost,
	}
	secretRule = rule[string]{
		kind:    "a string",
		allowed: "1 to 1024 octets of UTF-8 without control characters",
		decode:  decodeString,
		valid:   func(s string) bool { return s != "" && len(s) <= 1024 && isPlainText(s) },
	}
	accountRule = rule[string]{
		kind:    "a string",
		allowed: "a name or a number, without control characters",
		decode:  decodeString,
		valid:   func(s string) bool { return s != "" && isPlainText(s) },
	}
	fileNameRule = rule[string]{
		kind:    "a string",
		allowed: "a file name without control characters",
		decode:  decodeString,
		valid:   isPlainText,
	}
)

// The rules of the keys about STAMP. That of keys is in key.go.
var (
	protocolRule    = oneOf(string(ProtocolAuto), string(ProtocolText), string(ProtocolStamp))
	stampFormatRule = oneOf(string(FormatNTP), string(FormatPTP))
	utcOffsetRule   = intBetween(0, 255, "seconds")
	dscpRule        = intBetween(0, 63, "")
	ttlRule         = intBetween(1, 255, "hops")
	owdRule         = oneOf(string(OWDAuto), string(OWDAlways), string(OWDNever))
	reflectorRule   = oneOf(string(Stateful), string(Stateless))
	stampPortRule   = intBetween(0, 65535, "(0 is none)")
	rateLimitRule   = intBetween(0, 10_000_000, "packets per second (0 is no limit)")
	keyFileRule     = rule[string]{
		kind:    "a string",
		allowed: "a file name without control characters",
		decode:  decodeString,
		valid:   func(s string) bool { return s != "" && isPlainText(s) },
	}
	authKeysRule = listRule[string]{kind: "a list of strings", maxCount: maxKeys, distinct: true, element: keyRule}
	allowRule    = listRule[string]{kind: "a list of strings", maxCount: maxAllowed, element: rule[string]{
		kind:    "a string",
		allowed: `an IP address, or a prefix whose other bits are 0, such as "192.0.2.0/24"; without zone`,
		decode:  decodeString,
		valid:   isPrefix,
	}}
)

// The rules of the [engine] table.
var (
	isolateRule = rule[Isolate]{
		kind:   `"auto", true or false`,
		decode: decodeIsolate,
		valid:  nil,
	}
	engineModeRule   = oneOf(string(EngineAuto), string(EngineLinux), string(EnginePortable))
	txTimestampsRule = oneOf(TxTimestampsAuto, TxTimestampsOff)
	priorityRule     = intBetween(0, 99, "(0 is off)")
	// 1024 is CPU_SETSIZE, see CPU_SET(3).
	cpusRule = listRule[int]{
		kind: "a list of integers", maxCount: 1024, distinct: true, element: intBetween(0, 1023, "")}
	spinRule = rule[string]{
		kind:    "a string",
		allowed: `a duration of 0s to 10ms, such as "50us"`,
		decode:  decodeString,
		valid:   isSpin,
	}
	ringSizeRule = rule[int]{
		kind:    "an integer",
		allowed: "a power of two, 1024 to 16777216 samples",
		decode:  decodeInt,
		valid:   isRingSize,
	}
)

func decodeIsolate(value any) (Isolate, bool) {
	switch value {
	case true:
		return IsolateTrue, true
	case false:
		return IsolateFalse, true
	case string(IsolateAuto):
		return IsolateAuto, true
	}
	return "", false
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil && isPlainText(s)
}

func isPrefix(s string) bool {
	_, ok := parsePrefix(s)
	return ok
}

// parsePrefix reads a prefix; an address alone is the prefix that has no other. IPv4 written as IPv6
// becomes IPv4, as which it comes.
func parsePrefix(s string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		addr, err := netip.ParseAddr(s)
		return netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), err == nil && addr.Zone() == ""
	}
	const mapped = 128 - 32 // bits that all IPv4 addresses have in common when they are written as IPv6
	if p.Addr().Is4In6() {
		if p.Bits() < mapped {
			return p, false
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	return p, p == p.Masked()
}

// isHost reports whether s is an IP address or could be a host name. Whether the name exists is for
// the resolver to say. A colon, a slash or a bracket can only be a port or a URL.
func isHost(s string) bool {
	if s == "" || len(s) > maxHostOctets || !isFieldText(s) || strings.ContainsFunc(s, unicode.IsSpace) {
		return false
	}
	last := s[strings.LastIndexByte(s, '.')+1:]
	mistyped := last != "" && strings.Trim(last, "0123456789") == "" // an address that is none (RFC 1123 section 2.1)
	return isAddress(s) || !mistyped && !strings.ContainsAny(s, ":/[]@%")
}

func isSpin(s string) bool {
	d, err := time.ParseDuration(s)
	return err == nil && 0 <= d && d <= maxSpin
}

func isRingSize(samples int) bool {
	return minRingSize <= samples && samples <= maxRingSize && bits.OnesCount(uint(samples)) == 1
}
