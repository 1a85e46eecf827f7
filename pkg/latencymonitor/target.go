package latencymonitor

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// Target is a host to probe. Only Host must be given.
type Target struct {
	// Host is an IP address, with its zone if it is link-local, or a host name, which is looked up now and
	// whenever the target does not answer.
	Host string
	// Label is what the target is called in metrics, 1 to 200 octets without "|". "" = Host. If the far end
	// is a Monitor or the command too, its name is a good label: then all metrics of a path have the same
	// tags.
	Label string
	// Tags are added to all metrics of the target, at both ends: up to 32 of 1 to 200 octets without "|".
	Tags []string

	Transports       Transports // 0 = all three
	UDPPort, TCPPort uint16

	Interval time.Duration // between probes of each transport, 0.1 ms to 24 h
	Timeout  time.Duration // after which a probe is lost, 1 ms to 1 h, and at most 1,000,000 intervals
	MaxLost  int           // losses in a row after which the log says so and TCP connects again, up to 1,000,000
	Size     int           // octets to which messages are padded, up to MaxSize; 0 = no padding
	OneWay   bool          // measure neither round trips nor losses here: the far end measures
	DSCP     int           // of probes, 0 to 63
	TTL      int           // or hop limit, of probes, 1 to 255; 0 = 255 for STAMP, else the system's

	// UDP only. Protocol's 0 is measurement.Auto: STAMP where the far end knows it.
	Protocol     measurement.Protocol
	Format       stamp.Format          // of our timestamps
	PTPUTCOffset time.Duration         // how much PTP timestamps, also the far end's, are ahead of UTC, up to 255 s; see PTPIsUTC
	AuthKey      []byte                // 16 to 64 octets; empty = no authentication
	OWD          measurement.SenderOWD // whether the one-way delays that we see are published
}

// Transports are ways to probe a target, added up.
type Transports uint8

// Ways to probe.
const (
	UDP        Transports = 1 << iota // udp.wan.*: datagrams
	TCP                               // tcp.wan.*: messages over an established connection
	TCPConnect                        // tcp.wan.latency: a fresh connection per probe
)

// name is what the target is called in metrics.
func (t Target) name() string { return orDefault(t.Label, t.Host) }

// complete returns the target with its defaults, sharing nothing with t.
func (t Target) complete() Target {
	t.Tags, t.AuthKey = slices.Clone(t.Tags), slices.Clone(t.AuthKey)
	t.Transports = orDefault(t.Transports, UDP|TCP|TCPConnect)
	t.UDPPort = orDefault(t.UDPPort, DefaultUDPPort)
	t.TCPPort = orDefault(t.TCPPort, DefaultTCPPort)
	t.Interval = orDefault(t.Interval, DefaultInterval)
	t.Timeout = orDefault(t.Timeout, DefaultTimeout)
	t.MaxLost = orDefault(t.MaxLost, DefaultMaxLost)
	t.PTPUTCOffset = orDefault(t.PTPUTCOffset, DefaultPTPUTCOffset)
	return t
}

// identities returns a string for each kind of series of a target, by which two targets whose metrics
// could not be told apart are known: host names differ by more than case, tags are the same in any
// order. Neither names nor tags can have the "|" between the parts.
func (t Target) identities() []string {
	name := orDefault(t.Label, strings.ToLower(t.Host))
	series := name + "|" + strings.Join(slices.Sorted(slices.Values(t.Tags)), "|")
	var all []string
	if t.Transports&UDP != 0 {
		all = append(all, "udp|"+series)
	}
	if t.Transports&(TCP|TCPConnect) != 0 {
		all = append(all, "tcp|"+series)
	}
	return all
}

// splitAddress takes the port off "host:port". A host that is not followed by one stays as it is.
func splitAddress(address string) (host string, port uint16) {
	host, digits, err := net.SplitHostPort(address)
	if err != nil {
		return address, 0
	}
	number, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || number == 0 {
		return address, 0 // which is no host either, and is refused as one
	}
	return host, uint16(number)
}
