package config

import (
	"net/netip"
	"time"
)

// Stamp is how a target is probed over UDP.
type Stamp struct {
	Protocol     Protocol
	Format       StampFormat   // of our timestamps
	PTPUTCOffset time.Duration // how much PTP timestamps are ahead of UTC
	AuthKey      Key           // empty: no authentication
	AuthKeyFile  string        // where AuthKey was read from; "" if it was given in the file itself
	OWDAtSender  OWDAtSender
}

// Reflector is what the session-reflector does about STAMP, and whom it answers.
type Reflector struct {
	Mode         ReflectorMode
	StampPort    uint16 // UDP port to answer at beside UDPPort; 0: none
	Format       StampFormat
	PTPUTCOffset time.Duration
	AuthKeys     []Key  // any of which authenticates a probe
	AuthKeysFile string // where AuthKeys were read from; "" if they were given in the file itself
	RequireAuth  bool   // there are AuthKeys then
	Allow        []netip.Prefix
	RateLimit    int // probes per second and source address; 0: no limit
}

// Protocol is the protocol of probes over UDP.
type Protocol string

// The protocols. Auto is text, and STAMP as soon as the far end says that it knows that.
const (
	ProtocolAuto  Protocol = "auto"
	ProtocolText  Protocol = "text"
	ProtocolStamp Protocol = "stamp"
)

// StampFormat is the format of our timestamps in STAMP packets.
type StampFormat string

// The timestamp formats: NTP's, and the truncated one of PTPv2.
const (
	FormatNTP StampFormat = "ntp"
	FormatPTP StampFormat = "ptp"
)

// OWDAtSender says when the prober publishes the one-way delays of both directions. Auto: for far ends
// that do not publish those of the probes.
type OWDAtSender string

// The values of OWDAtSender.
const (
	OWDAuto   OWDAtSender = "auto"
	OWDAlways OWDAtSender = "always"
	OWDNever  OWDAtSender = "never"
)

// ReflectorMode says whose sequence numbers a reply carries: the reflector's own, by which the prober
// can tell the directions of losses apart, or the probe's (RFC 8762 section 4).
type ReflectorMode string

// The modes of the reflector.
const (
	Stateful  ReflectorMode = "stateful"
	Stateless ReflectorMode = "stateless"
)

// stamp has all but the key.
func (p probe) stamp() Stamp {
	return Stamp{
		Protocol:     Protocol(p.Protocol.value),
		Format:       StampFormat(p.StampFormat.value),
		PTPUTCOffset: time.Duration(p.PTPUTCOffset.value) * time.Second,
		AuthKeyFile:  valueOr(p.Auth.File, ""),
		OWDAtSender:  OWDAtSender(p.OWDAtSender.value),
	}
}

// reflector has all but the keys.
func (l layers) reflector() Reflector {
	top := l.top().stamp()
	return Reflector{
		Mode:         ReflectorMode(first(l.file.Reflector, l.defaults.Reflector).value),
		StampPort:    uint16(l.stampPort().value),
		Format:       top.Format,
		PTPUTCOffset: top.PTPUTCOffset,
		AuthKeysFile: valueOr(l.file.AuthKeysFile, ""),
		RequireAuth:  l.requireAuth().value,
		Allow:        parsePrefixes(first(l.file.Allow, l.defaults.Allow).value),
		RateLimit:    first(l.file.RateLimit, l.defaults.RateLimit).value,
	}
}

func (l layers) stampPort() *setting[int] { return first(l.file.StampPort, l.defaults.StampPort) }

func (l layers) requireAuth() *setting[bool] {
	return first(l.file.RequireAuth, l.defaults.RequireAuth)
}

// parsePrefixes reads prefixes that their rule has already accepted.
func parsePrefixes(texts []string) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, text := range texts {
		p, _ := parsePrefix(text)
		prefixes = append(prefixes, p)
	}
	return prefixes
}
