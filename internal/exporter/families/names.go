package families

import (
	"strings"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// Namespace is what the names of all families begin with.
const Namespace = "latency_monitor_"

// help describes the metrics.
var help = map[measurement.Metric]string{
	measurement.UDPOWD:          "One-way delay of UDP probes, as their receiver sees it.",
	measurement.UDPRTT:          "Round-trip time of UDP probes.",
	measurement.UDPLoss:         "UDP probes that were lost.",
	measurement.TCPOWD:          "One-way delay of probes over an established TCP connection, as their receiver sees it.",
	measurement.TCPRTT:          "Round-trip time of probes over an established TCP connection.",
	measurement.TCPLatency:      "Time of a TCP handshake.",
	measurement.TCPLoss:         "TCP probes that were lost, and handshakes that failed.",
	measurement.UDPOWDForward:   "One-way delay of UDP probes on the way out, as their prober sees it.",
	measurement.UDPOWDBackward:  "One-way delay of replies to UDP probes, as the prober sees it.",
	measurement.UDPLossForward:  "UDP probes that were lost on the way out.",
	measurement.UDPLossBackward: "UDP probes whose reply was lost.",
	measurement.HostClockError:  "By how much the clock of this host may be off, as its kernel knows.",
}

// Name is the name of a metric's family: udp.wan.owd is latency_monitor_udp_owd_seconds.
func Name(m measurement.Metric) string {
	if m.Loss() {
		return stem(m) + "_total"
	}
	return stem(m) + "_seconds"
}

// stem is what the names of all that is told of a metric begin with. That all is over a WAN says
// nothing, so it is left out.
func stem(m measurement.Metric) string {
	return Namespace + strings.ReplaceAll(strings.ReplaceAll(m.String(), ".wan.", "."), ".", "_")
}

// transport tells apart the label sets of the same labels.
type transport uint8

const (
	host transport = iota
	udp
	tcp
)

func transportOf(m measurement.Metric) transport {
	switch m {
	case measurement.HostClockError:
		return host
	case measurement.TCPOWD, measurement.TCPRTT, measurement.TCPLatency, measurement.TCPLoss:
		return tcp
	}
	return udp
}

// loss is the counter that every label set of the transport has.
func (t transport) loss() (m measurement.Metric, ok bool) {
	switch t {
	case udp:
		return measurement.UDPLoss, true
	case tcp:
		return measurement.TCPLoss, true
	}
	return 0, false
}
