package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/config"
	"github.com/latency-monitor/latency-monitor/pkg/latencymonitor"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// The configuration's words for what the library has values for.
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
	engineModes = map[config.EngineMode]latencymonitor.Mode{
		config.EngineAuto: latencymonitor.ModeAuto, config.EngineLinux: latencymonitor.ModeLinux,
		config.EnginePortable: latencymonitor.ModePortable,
	}
	isolations = map[config.Isolate]latencymonitor.Isolate{
		config.IsolateAuto: latencymonitor.IsolateAuto, config.IsolateTrue: latencymonitor.IsolateAlways,
		config.IsolateFalse: latencymonitor.IsolateNever,
	}
)

// checkTargets returns an error, of one line, for a target whose messages can't be sent as it is
// configured. It opens nothing.
func checkTargets(c config.Config) error {
	err := monitorOptions(c, nil).Check(targets(c)...)
	if long, ok := errors.AsType[*latencymonitor.TooLongError](err); ok {
		err = fmt.Errorf("target %q: name and tags make %s of %d octets: must be at most max_size = %d",
			long.Target, long.What, long.Octets, long.MaxSize)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	return nil
}

// monitorOptions are the library's of a configuration.
func monitorOptions(c config.Config, log *slog.Logger) latencymonitor.Options {
	return latencymonitor.Options{
		Name: c.Name, Logger: log, MaxSize: c.MaxSize, Reflector: reflectorOptions(c),
		Engine: latencymonitor.Engine{
			Mode: engineModes[c.Engine.Mode], Isolate: isolations[c.Engine.Isolate],
			RealtimePriority: c.Engine.RealtimePriority, CPUs: c.Engine.CPUs, Spin: c.Engine.Spin,
			NoTxTimestamps: c.Engine.TxTimestamps == config.TxTimestampsOff, RingSize: c.Engine.RingSize,
			LockMemory: c.Engine.LockMemory,
		},
	}
}

func reflectorOptions(c config.Config) latencymonitor.Reflector {
	r := latencymonitor.Reflector{
		Address: c.Address, MaxSessions: c.MaxSessions, Timeout: c.Timeout,
		Stateless: c.Reflector.Mode == config.Stateless, Format: stampFormats[c.Reflector.Format],
		PTPUTCOffset: utcOffset(c.Reflector.PTPUTCOffset),
		RequireAuth:  c.Reflector.RequireAuth, Allow: c.Reflector.Allow, RateLimit: c.Reflector.RateLimit,
	}
	if c.UDP {
		r.UDPPort, r.StampPort = c.UDPPort, c.Reflector.StampPort
	}
	if c.TCP {
		r.TCPPort = c.TCPPort
	}
	if r.RateLimit == 0 {
		r.RateLimit = latencymonitor.NoRateLimit
	}
	for _, key := range c.Reflector.AuthKeys {
		r.AuthKeys = append(r.AuthKeys, key)
	}
	return r
}

// utcOffset: 0 is a value of the configuration, and the library's default.
func utcOffset(d time.Duration) time.Duration {
	if d == 0 {
		return latencymonitor.PTPIsUTC
	}
	return d
}

// targets are those that are probed.
func targets(c config.Config) []latencymonitor.Target {
	var probed []latencymonitor.Target
	for _, t := range c.Targets {
		if transports(t) == 0 {
			continue // the switches tcp and udp have left it nothing
		}
		probed = append(probed, latencymonitor.Target{
			Host: t.Host, Label: t.Label, Tags: t.Tags, Transports: transports(t), UDPPort: t.UDPPort,
			TCPPort: t.TCPPort, Interval: t.Interval, Timeout: t.Timeout, MaxLost: t.MaxLost, Size: t.Size,
			OneWay: !t.RTT, DSCP: t.DSCP, TTL: t.TTL, Protocol: protocols[t.Stamp.Protocol],
			Format: stampFormats[t.Stamp.Format], PTPUTCOffset: utcOffset(t.Stamp.PTPUTCOffset),
			AuthKey: t.Stamp.AuthKey, OWD: senderOWDs[t.Stamp.OWDAtSender],
		})
	}
	return probed
}

// transports are the ways in which a target is probed.
func transports(t config.Target) latencymonitor.Transports {
	var ways latencymonitor.Transports
	if t.UDP {
		ways |= latencymonitor.UDP
	}
	if t.TCP {
		ways |= latencymonitor.TCP
	}
	if t.TCP && t.TCPLatency {
		ways |= latencymonitor.TCPConnect
	}
	return ways
}
