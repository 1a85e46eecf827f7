package latencymonitor

import (
	"net/netip"
	"slices"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/schedule"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// sessions describes how a complete target is probed: up to one session over UDP, one over an
// established TCP connection, and one of TCP handshakes. They have neither ID nor phase yet.
func (o Options) sessions(t Target) []measurement.Session {
	var all []measurement.Session
	for _, way := range []struct {
		asked     Transports
		transport measurement.Transport
		port      uint16
	}{
		{UDP, measurement.UDP, t.UDPPort},
		{TCP, measurement.TCP, t.TCPPort},
		{TCPConnect, measurement.TCPConnect, t.TCPPort},
	} {
		if t.Transports&way.asked == 0 {
			continue
		}
		s := measurement.Session{
			Transport: way.transport, Source: o.Name, Target: t.name(), Tags: t.Tags,
			Remote: netip.AddrPortFrom(netip.Addr{}, way.port), Size: t.Size, Interval: t.Interval,
			Timeout: t.Timeout, MaxLost: t.MaxLost, RTT: !t.OneWay || way.transport == measurement.TCPConnect,
			DSCP: uint8(t.DSCP), TTL: uint8(t.TTL),
		}
		if way.transport == measurement.UDP {
			s.Format, s.UTCOffset, s.AuthKey, s.OWD = t.Format, utcOffset(t.PTPUTCOffset), t.AuthKey, t.OWD
			s.Protocol = decideProtocol(s, t.Protocol, o.MaxSize)
		}
		all = append(all, s)
	}
	return all
}

// decideProtocol is what is left of Auto: with a key no probe may leave without authentication, and
// text has none; and packets longer than maxSize are no way to go over to STAMP.
func decideProtocol(s measurement.Session, asked measurement.Protocol, maxSize int) measurement.Protocol {
	query := textHeader(s) + len(textproto.StampQuery)
	switch {
	case asked != measurement.Auto:
		return asked
	case len(s.AuthKey) > 0:
		return measurement.STAMP
	case max(query, stampSize(s)) > maxSize:
		return measurement.Text
	}
	return measurement.Auto
}

// textHeader is the length of the text protocol's messages without padding.
func textHeader(s measurement.Session) int {
	const fixed = len("100|") + len("|1795375380625056238|") + len("|")
	return fixed + len(s.Source) + len(textproto.AppendTags(nil, s.Tags))
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

// spread gives sessions that are about to begin their phases: those of an interval that is new share it
// evenly, and each of an interval that has running ones goes into the middle of the largest gap between
// two of these, which keep their places.
func spread(running, fresh []*measurement.Session) {
	byInterval := map[time.Duration][]*measurement.Session{}
	for _, s := range fresh {
		byInterval[s.Interval] = append(byInterval[s.Interval], s)
	}
	for interval, group := range byInterval {
		var taken []time.Duration
		for _, s := range running {
			if s.Interval == interval {
				taken = append(taken, s.Phase)
			}
		}
		if len(taken) == 0 {
			taken = schedule.Spread(interval, len(group))
			for i, s := range group {
				s.Phase = taken[i]
			}
			continue
		}
		slices.Sort(taken)
		for _, s := range group {
			var at int
			s.Phase, at = middle(taken, interval)
			taken = slices.Insert(taken, at, s.Phase)
		}
	}
}

// middle is in the middle of the largest gap between sorted phases, the last and the first being
// neighbours, and its place among them.
func middle(taken []time.Duration, interval time.Duration) (phase time.Duration, at int) {
	largest := time.Duration(-1)
	for i, from := range taken {
		to := taken[0] + interval
		if i+1 < len(taken) {
			to = taken[i+1]
		}
		if gap := to - from; gap > largest {
			largest, phase, at = gap, from+gap/2, i+1
		}
	}
	if phase >= interval {
		return phase - interval, 0
	}
	return phase, at
}
