package latencymonitor

import (
	"cmp"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// The limits are those of the command's configuration, which a test of the command holds against these.
const (
	maxOutstanding = 1_000_000 // probes of one session waiting for a reply: timeout / interval
	maxKeys        = 16
	maxAllowed     = 512
	maxTags        = 32
	maxUTCOffset   = 255 * time.Second
)

// Check returns the error that New, or AddTargets with all the targets, would return for the values that
// they are given. It opens nothing.
func (o Options) Check(targets ...Target) error {
	o, err := o.complete()
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, t := range targets {
		t = t.complete()
		if err := o.checkTarget(t); err != nil {
			return err
		}
		for _, identity := range t.identities() {
			if seen[identity] {
				return duplicate(t)
			}
			seen[identity] = true
		}
	}
	return nil
}

func duplicate(t Target) error {
	return fmt.Errorf("target %q: can't be told apart from another one: must differ in Label, Tags or Transports",
		t.name())
}

// check takes complete options.
func (o Options) check() error {
	if !isField(o.Name, 64) {
		return refused("Options.Name", fmt.Sprintf("%q", o.Name), fieldOf(64))
	}
	return firstOf(
		between("Options.MaxSize", o.MaxSize, 64, 65535),
		between("Options.MetricsBuffer", o.MetricsBuffer, 1, 1<<24),
		o.Reflector.check(),
		o.Engine.check(),
	)
}

func (r Reflector) check() error {
	const f = "Options.Reflector."
	err := firstOf(
		between(f+"MaxSessions", r.MaxSessions, 1, 1<<20),
		between(f+"Timeout", r.Timeout, time.Millisecond, time.Hour),
		checkFormat(f+"Format", r.Format),
		checkUTCOffset(f+"PTPUTCOffset", r.PTPUTCOffset),
	)
	switch {
	case err != nil:
		return err
	case r.StampPort != 0 && r.StampPort == r.UDPPort:
		return refused(f+"StampPort", r.StampPort, "another port than UDPPort, or 0")
	case len(r.AuthKeys) > maxKeys:
		return refused("len("+f+"AuthKeys)", len(r.AuthKeys), fmt.Sprintf("at most %d", maxKeys))
	case r.RequireAuth && len(r.AuthKeys) == 0:
		return refused(f+"RequireAuth", true, "false without AuthKeys, or nobody is answered")
	case len(r.Allow) > maxAllowed:
		return refused("len("+f+"Allow)", len(r.Allow), fmt.Sprintf("at most %d", maxAllowed))
	case r.RateLimit != NoRateLimit && (r.RateLimit < 1 || r.RateLimit > 10_000_000):
		return refused(f+"RateLimit", r.RateLimit, "1 to 10000000, 0 for the default, or NoRateLimit")
	}
	for i, key := range r.AuthKeys {
		if err := checkKey(fmt.Sprintf("%sAuthKeys[%d]", f, i), key); err != nil {
			return err
		}
	}
	for i, p := range r.Allow {
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
			return refused(fmt.Sprintf("%sAllow[%d]", f, i), p, "a valid prefix whose other bits are 0, of IPv4 or IPv6")
		}
	}
	return nil
}

func (e Engine) check() error {
	const f = "Options.Engine."
	switch {
	case !slices.Contains([]Mode{ModeAuto, ModeLinux, ModePortable}, e.Mode):
		return refused(f+"Mode", fmt.Sprintf("%q", e.Mode), "ModeAuto, ModeLinux or ModePortable")
	case !slices.Contains([]Isolate{IsolateNever, IsolateAuto, IsolateAlways}, e.Isolate):
		return refused(f+"Isolate", fmt.Sprintf("%q", e.Isolate), "IsolateNever, IsolateAuto or IsolateAlways")
	case e.Isolate == IsolateAlways && e.Mode == ModePortable:
		return refused(f+"Isolate", "IsolateAlways", "another one with ModePortable, which can't have a process of its own")
	case e.RingSize < 1024 || e.RingSize > 1<<24 || bits.OnesCount(uint(e.RingSize)) != 1:
		return refused(f+"RingSize", e.RingSize, "a power of two, 1024 to 16777216 samples")
	}
	for i, cpu := range e.CPUs {
		if err := between(fmt.Sprintf("%sCPUs[%d]", f, i), cpu, 0, 1023); err != nil {
			return err
		}
	}
	return firstOf(
		between(f+"RealtimePriority", e.RealtimePriority, 0, 99),
		between(f+"Spin", e.Spin, 0, 10*time.Millisecond),
	)
}

// checkTarget takes a complete target and complete options.
func (o Options) checkTarget(t Target) error {
	err := firstOf(t.checkNames(), t.checkProbes(), t.checkUDP())
	switch {
	case err != nil:
	case t.Size > o.MaxSize:
		err = refused("Size", t.Size, fmt.Sprintf("at most MaxSize = %d octets", o.MaxSize))
	case t.Interval <= o.Engine.Spin:
		err = refused("Interval", t.Interval, fmt.Sprintf("more than Options.Engine.Spin = %v", o.Engine.Spin))
	default:
		return o.checkMessages(t)
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("target %q: %w", t.name(), err)
}

func (t Target) checkNames() error {
	switch {
	case !isHost(t.Host):
		return refused("Host", fmt.Sprintf("%q", t.Host), "an IP address or a host name of 1 to 253 octets")
	case t.Label != "" && !isField(t.Label, 200):
		return refused("Label", fmt.Sprintf("%q", t.Label), fieldOf(200))
	case len(t.Tags) > maxTags:
		return refused("len(Tags)", len(t.Tags), fmt.Sprintf("at most %d", maxTags))
	}
	for i, tag := range t.Tags {
		if !isField(tag, 200) {
			return refused(fmt.Sprintf("Tags[%d]", i), fmt.Sprintf("%q", tag), fieldOf(200))
		}
	}
	return nil
}

func (t Target) checkProbes() error {
	if t.Transports&^(UDP|TCP|TCPConnect) != 0 {
		return refused("Transports", uint8(t.Transports), "a sum of UDP, TCP and TCPConnect")
	}
	err := firstOf(
		between("Interval", t.Interval, 100*time.Microsecond, 24*time.Hour),
		between("Timeout", t.Timeout, time.Millisecond, time.Hour),
		between("MaxLost", t.MaxLost, 1, 1_000_000),
		between("Size", t.Size, 0, 65535),
		between("DSCP", t.DSCP, 0, 63),
		between("TTL", t.TTL, 0, 255),
	)
	if err == nil && t.Timeout/t.Interval > maxOutstanding {
		err = refused("Timeout", t.Timeout, fmt.Sprintf("at most %d times Interval = %v", maxOutstanding, t.Interval))
	}
	return err
}

func (t Target) checkUDP() error {
	err := firstOf(checkFormat("Format", t.Format), checkUTCOffset("PTPUTCOffset", t.PTPUTCOffset))
	switch {
	case err != nil:
		return err
	case t.Protocol > measurement.STAMP:
		return refused("Protocol", t.Protocol, "measurement.Auto, Text or STAMP")
	case t.OWD > measurement.OWDNever:
		return refused("OWD", t.OWD, "measurement.OWDAuto, OWDAlways or OWDNever")
	case len(t.AuthKey) == 0:
		return nil
	case t.Protocol == measurement.Text && t.Transports&UDP != 0:
		return refused("Protocol", "measurement.Text", "another one with an AuthKey: text has no authentication")
	}
	return checkKey("AuthKey", t.AuthKey)
}

func checkFormat(field string, f stamp.Format) error {
	if f == stamp.NTP || f == stamp.PTP {
		return nil
	}
	return refused(field, uint8(f), "stamp.NTP or stamp.PTP")
}

func checkUTCOffset(field string, d time.Duration) error {
	if d == PTPIsUTC || 0 < d && d <= maxUTCOffset && d%time.Second == 0 {
		return nil
	}
	return refused(field, d, "1s to 255s in whole seconds, 0 for the default, or PTPIsUTC")
}

// checkKey does not give the key away.
func checkKey(field string, key []byte) error {
	return between("len("+field+")", len(key), 16, 64)
}

// TooLongError says that the probes to a target do not fit into Options.MaxSize, even without padding.
type TooLongError struct {
	Target  string
	What    string // "messages", or "STAMP packets"
	Octets  int
	MaxSize int
}

// Error names the target, the length and the limit.
func (e *TooLongError) Error() string {
	return fmt.Sprintf("target %q: Name and Tags make %s of %d octets: must be at most MaxSize = %d",
		e.Target, e.What, e.Octets, e.MaxSize)
}

// checkMessages holds the messages of a target, without their padding, against the limits of the
// protocol and ours.
func (o Options) checkMessages(t Target) error {
	for _, s := range o.sessions(t) {
		tags := len(textproto.AppendTags(nil, s.Tags))
		header, messages := textHeader(s), "messages"
		if s.Protocol == measurement.STAMP {
			header, messages = stampSize(s), "STAMP packets"
		}
		switch {
		case s.Transport == measurement.TCPConnect: // has no messages
		case tags > textproto.MaxTags: // over STAMP too: the receiver writes them so
			return fmt.Errorf("target %q: tags of %d octets as the protocol writes them: must be at most %d",
				t.name(), tags, textproto.MaxTags)
		case header > o.MaxSize:
			return &TooLongError{Target: t.name(), What: messages, Octets: header, MaxSize: o.MaxSize}
		}
	}
	return nil
}

func refused(field string, value any, allowed string) error {
	return fmt.Errorf("%s = %v: must be %s", field, value, allowed)
}

func between[T cmp.Ordered](field string, value, least, most T) error {
	if least <= value && value <= most {
		return nil
	}
	return refused(field, value, fmt.Sprintf("%v to %v", least, most))
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// isField reports whether s can be a field of a message.
func isField(s string, most int) bool {
	return s != "" && len(s) <= most && utf8.ValidString(s) && !strings.Contains(s, "|") &&
		strings.IndexFunc(s, unicode.IsControl) < 0
}

func fieldOf(most int) string {
	return fmt.Sprintf(`1 to %d octets of UTF-8 without "|" and control characters`, most)
}

// isHost reports whether s is an IP address or could be a host name. A colon, a slash or a bracket can
// only be a port or a URL.
func isHost(s string) bool {
	if !isField(s, 253) || strings.ContainsFunc(s, unicode.IsSpace) {
		return false
	}
	_, err := netip.ParseAddr(s)
	return err == nil || !strings.ContainsAny(s, ":/[]@%")
}
