package measurement

// Metric is one published quantity. The zero value is no metric.
type Metric uint8

// The metrics, each under the name that String gives.
const (
	UDPOWD     Metric = iota + 1 // udp.wan.owd: T2 - T1 as the receiver of the probe sees it
	UDPRTT                       // udp.wan.rtt: round-trip time as the prober sees it
	UDPLoss                      // udp.wan.loss: one point of value 1 per lost probe
	TCPOWD                       // tcp.wan.owd: as udp.wan.owd, over an established connection
	TCPRTT                       // tcp.wan.rtt: as udp.wan.rtt, over an established connection
	TCPLatency                   // tcp.wan.latency: one TCP handshake on a fresh connection
	TCPLoss                      // tcp.wan.loss: as udp.wan.loss, for TCP probes of both kinds

	// What only the STAMP prober can tell (RFC 8762).
	UDPOWDForward   // udp.wan.owd.forward: T2 - T1 as the prober sees it
	UDPOWDBackward  // udp.wan.owd.backward: T4 - T3 as the prober sees it
	UDPLossForward  // udp.wan.loss.forward: lost on the way to the reflector
	UDPLossBackward // udp.wan.loss.backward: lost on the way back

	HostClockError // host.clock.error: the kernel's bound of the error of this host's clock
	metricEnd
)

var metricNames = [metricEnd]string{
	UDPOWD: "udp.wan.owd", UDPRTT: "udp.wan.rtt", UDPLoss: "udp.wan.loss",
	TCPOWD: "tcp.wan.owd", TCPRTT: "tcp.wan.rtt", TCPLatency: "tcp.wan.latency", TCPLoss: "tcp.wan.loss",
	UDPOWDForward: "udp.wan.owd.forward", UDPOWDBackward: "udp.wan.owd.backward",
	UDPLossForward: "udp.wan.loss.forward", UDPLossBackward: "udp.wan.loss.backward",
	HostClockError: "host.clock.error",
}

// Valid reports whether m is one of the metrics above; a Metric read from shared memory may not be.
func (m Metric) Valid() bool { return m > 0 && m < metricEnd }

// Loss reports whether m counts lost probes instead of giving a delay.
func (m Metric) Loss() bool {
	switch m {
	case UDPLoss, TCPLoss, UDPLossForward, UDPLossBackward:
		return true
	}
	return false
}

// String gives the metric's published name, "invalid" when it has none.
func (m Metric) String() string {
	if !m.Valid() {
		return "invalid"
	}
	return metricNames[m]
}

// TimestampSource says who read the clock for a timestamp (RFC 7679 section 3.7).
type TimestampSource uint8

// Timestamp sources, from the least to the most exact. SourceNone marks a time that is not known.
const (
	SourceNone     TimestampSource = iota
	SourceUser                     // this program, around its system call
	SourceKernel                   // the kernel's network stack, in software
	SourceHardware                 // the network card
)

// String gives the source's name as it appears in logs.
func (s TimestampSource) String() string {
	switch s {
	case SourceUser:
		return "user"
	case SourceKernel:
		return "kernel"
	case SourceHardware:
		return "hardware"
	}
	return "none"
}
