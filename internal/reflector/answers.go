package reflector

import (
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// answers are our answers to the TLVs of a request (RFC 8972), kept here so that none is made per packet.
type answers struct {
	location stamp.Location
	info     stamp.TimestampInformation
	class    stamp.ClassOfService
	direct   stamp.DirectMeasurement
	followUp stamp.FollowUpTelemetry
}

// answer adds the answers to a reflection. What cannot be told goes back as not understood: Class of
// Service where the system does not tell with what a packet came, and Direct Measurement by a stateless
// reflector, whose Follow-Up Telemetry is zero (RFC 8972 section 4.7).
func (a *answers) answer(to *stamp.Reflection, s *socket, p *packetio.Packet, f *flow, count *counts, e *estimate) {
	a.location = stamp.Location{
		DestinationPort: s.port, SourcePort: p.Remote.Port(), Destination: p.Local, Source: p.Remote.Addr(),
	}
	a.info = stamp.TimestampInformation{
		SyncIn: e.sync, MethodIn: stamp.MethodSoftware, SyncOut: e.sync, MethodOut: stamp.MethodSoftware,
	}
	to.Location, to.TimestampInformation, to.FollowUpTelemetry = &a.location, &a.info, &a.followUp
	if p.TTL != 0 {
		a.class = stamp.ClassOfService{DSCP2: p.TOS >> 2, ECN: p.TOS & 3}
		to.ClassOfService = &a.class
	}
	a.followUp = stamp.FollowUpTelemetry{}
	if count == nil {
		return
	}
	a.direct = stamp.DirectMeasurement{ReflectorRx: count.received, ReflectorTx: count.sent + 1}
	to.DirectMeasurement = &a.direct
	if f.leftAt != 0 {
		a.followUp = stamp.FollowUpTelemetry{Seq: f.left, T3: e.timestamp(f.leftAt), Method: stamp.MethodSoftware}
	}
}
