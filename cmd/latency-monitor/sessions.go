package main

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/config"
	"github.com/latency-monitor/latency-monitor/internal/resolver"
	"github.com/latency-monitor/latency-monitor/internal/schedule"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// sessions makes the sessions of all targets: per target up to one over UDP, one over an established
// TCP connection, and one of TCP handshakes. Those of the same interval share it evenly. The error,
// one line, is of a target whose messages can't be sent as it is configured.
func sessions(c config.Config) ([]resolver.Target, error) {
	var targets []resolver.Target
	var all []*measurement.Session
	for _, t := range c.Targets {
		host := resolver.Target{Host: t.Host}
		for _, transport := range transports(t) {
			s := describe(c, t, transport)
			s.ID = measurement.SessionID(len(all) + len(host.Sessions) + 1)
			if err := checkMessage(s, c.MaxSize); err != nil {
				return nil, fmt.Errorf("%s: target %q: %w", c.File, t.Name(), err)
			}
			host.Sessions = append(host.Sessions, s)
		}
		for i := range host.Sessions {
			all = append(all, &host.Sessions[i])
		}
		targets = append(targets, host)
	}
	spread(all)
	return targets, nil
}

// transports are the ways in which a target is probed.
func transports(t config.Target) []measurement.Transport {
	var ways []measurement.Transport
	if t.UDP {
		ways = append(ways, measurement.UDP)
	}
	if t.TCP {
		ways = append(ways, measurement.TCP)
	}
	if t.TCP && t.TCPLatency {
		ways = append(ways, measurement.TCPConnect)
	}
	return ways
}

func describe(c config.Config, t config.Target, transport measurement.Transport) measurement.Session {
	port := t.TCPPort
	if transport == measurement.UDP {
		port = t.UDPPort
	}
	s := measurement.Session{
		Transport: transport, Source: c.Name, Target: t.Name(), Tags: t.Tags,
		Remote: netip.AddrPortFrom(netip.Addr{}, port), Size: t.Size, Interval: t.Interval, Timeout: t.Timeout,
		MaxLost: t.MaxLost, RTT: t.RTT || transport == measurement.TCPConnect,
		DSCP: uint8(t.DSCP), TTL: uint8(t.TTL),
	}
	if transport == measurement.UDP {
		describeUDP(&s, t.Stamp, c.MaxSize)
	}
	return s
}

// checkMessage holds a session's messages, without their padding, against the limits of the protocol
// and ours.
func checkMessage(s measurement.Session, maxSize int) error {
	tags := len(textproto.AppendTags(nil, s.Tags))
	header, messages := textHeader(s), "messages"
	if s.Protocol == measurement.STAMP {
		header, messages = stampSize(s), "STAMP packets"
	}
	switch {
	case s.Transport == measurement.TCPConnect: // has no messages
		return nil
	case tags > textproto.MaxTags: // over STAMP too: the receiver writes them so
		return fmt.Errorf("tags of %d octets as the protocol writes them: must be at most %d",
			tags, textproto.MaxTags)
	case header > maxSize:
		return fmt.Errorf("name and tags make %s of %d octets: must be at most max_size = %d",
			messages, header, maxSize)
	}
	return nil
}

// textHeader is the length of the text protocol's messages without padding.
func textHeader(s measurement.Session) int {
	const fixed = len("100|") + len("|1795375380625056238|") + len("|")
	return fixed + len(s.Source) + len(textproto.AppendTags(nil, s.Tags))
}

// spread gives each session its phase.
func spread(all []*measurement.Session) {
	byInterval := map[time.Duration][]*measurement.Session{}
	for _, s := range all {
		byInterval[s.Interval] = append(byInterval[s.Interval], s)
	}
	for interval, group := range byInterval {
		for i, phase := range schedule.Spread(interval, len(group)) {
			group[i].Phase = phase
		}
	}
}
