package main

import (
	"github.com/latency-monitor/latency-monitor/internal/config"
	"github.com/latency-monitor/latency-monitor/internal/reflector"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// The configuration's words for what other packages have values for.
var (
	stampFormats = map[config.StampFormat]stamp.Format{
		config.FormatNTP: stamp.NTP, config.FormatPTP: stamp.PTP,
	}
	senderOWDs = map[config.OWDAtSender]measurement.SenderOWD{
		config.OWDAuto: measurement.OWDAuto, config.OWDAlways: measurement.OWDAlways,
		config.OWDNever: measurement.OWDNever,
	}
	protocols = map[config.Protocol]measurement.Protocol{
		config.ProtocolAuto: measurement.Auto, config.ProtocolText: measurement.Text,
		config.ProtocolStamp: measurement.STAMP,
	}
)

// describeUDP completes a session over UDP.
func describeUDP(s *measurement.Session, c config.Stamp, maxSize int) {
	s.Format = stampFormats[c.Format]
	s.UTCOffset = c.PTPUTCOffset
	s.AuthKey = c.AuthKey
	s.OWD = senderOWDs[c.OWDAtSender]
	s.Protocol = protocols[c.Protocol]
	if s.Protocol == measurement.Auto {
		s.Protocol = decideProtocol(*s, maxSize)
	}
}

// decideProtocol is what is left of auto: with a key no probe may leave without authentication, and
// text has none; and packets longer than max_size are no way to go over to STAMP.
func decideProtocol(s measurement.Session, maxSize int) measurement.Protocol {
	query := textHeader(s) + len(textproto.StampQuery)
	switch {
	case len(s.AuthKey) > 0:
		return measurement.STAMP
	case max(query, stampSize(s)) > maxSize:
		return measurement.Text
	}
	return measurement.Auto
}

// stampSize is the length of a session's longest STAMP packets without padding: the base packet and
// every TLV that a session-sender may put behind it.
func stampSize(s measurement.Session) int {
	tlvs, _ := stamp.AppendSessionIdentity(nil, s.Source, s.Tags...) // names are UTF-8, and not so long
	tlvs = stamp.AppendClassOfService(tlvs, s.DSCP)
	tlvs = stamp.AppendDirectMeasurement(tlvs)
	if !s.RTT {
		tlvs = stamp.AppendReturnPath(tlvs, stamp.NoReply)
	}
	if len(s.AuthKey) == 0 {
		return stamp.BaseSize + len(tlvs)
	}
	return stamp.AuthenticatedBaseSize + len(stamp.AppendHMAC(tlvs))
}

// reflectorStamp is what the session-reflector has to know.
func reflectorStamp(c config.Reflector) reflector.Stamp {
	s := reflector.Stamp{
		Stateless: c.Mode == config.Stateless, Format: stampFormats[c.Format], UTCOffset: c.PTPUTCOffset,
		RequireAuth: c.RequireAuth, Allow: c.Allow, RateLimit: c.RateLimit,
	}
	for _, key := range c.AuthKeys {
		s.Keys = append(s.Keys, key)
	}
	return s
}
