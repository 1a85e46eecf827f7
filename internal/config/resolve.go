package config

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// layers are the places a value can come from.
type layers struct{ flags, file, defaults layer }

// resolve gives every key its effective value.
func (l layers) resolve(h host) (Config, error) {
	name, err := l.name(h.name)
	if err != nil {
		return Config{}, err
	}
	c := Config{
		Name:        name,
		Address:     parseAddress(l.file.Address),
		TCP:         l.tcp().value,
		UDP:         l.udp().value,
		MaxSize:     l.maxSize().value,
		MaxSessions: first(l.file.MaxSessions, l.defaults.MaxSessions).value,
		LogLevel:    ParseLogLevel(l.logLevel().value),
		LogFile:     first(l.flags.LogFile, l.file.LogFile, l.defaults.LogFile).value,
		User:        first(l.file.User, l.defaults.User).value,
		Group:       first(l.file.Group, l.defaults.Group).value,
	}
	if c.Backends, err = l.backends(h, name); err != nil {
		return Config{}, err
	}
	c.applyTop(l.top())
	c.Engine = l.engine().resolve()
	c.Targets = l.targets()
	c.Reflector = l.reflector()
	if err := l.readKeys(&c, h.readSecret); err != nil {
		return Config{}, err
	}
	return c, nil
}

// name defaults to the host name, which may be no name the protocol can carry.
func (l layers) name(hostname func() (string, error)) (string, error) {
	if given := first(l.flags.Name, l.file.Name); given != nil {
		return given.value, nil
	}
	host, err := hostname()
	if err != nil {
		return "", fmt.Errorf("no host name (%w): set name in the file or --name", err)
	}
	if !nameRule.accepts(host) {
		return "", fmt.Errorf("host name %s cannot be our name: must be %s: set name in the file or --name",
			ShowText(host), nameRule.allowed)
	}
	return host, nil
}

// tcp is the switch of the transport.
func (l layers) tcp() *setting[bool] {
	return first(l.flags.TCP, l.file.TCP, l.defaults.TCP)
}

// udp is the switch of the transport.
func (l layers) udp() *setting[bool] {
	return first(l.flags.UDP, l.file.UDP, l.defaults.UDP)
}

func (l layers) logLevel() *setting[string] {
	return first(l.flags.LogLevel, l.file.LogLevel, l.defaults.LogLevel)
}

func (l layers) maxSize() *setting[int] {
	return first(l.flags.MaxSize, l.file.MaxSize, l.defaults.MaxSize)
}

func (l layers) backends(h host, name string) ([]Backend, error) {
	var backends []Backend
	for _, b := range l.chosenBackends() {
		if err := b.readSecrets(h); err != nil {
			return nil, err
		}
		if err := b.complete(h, name); err != nil {
			return nil, err
		}
		backends = append(backends, b.resolved())
	}
	return backends, nil
}

// chosenBackends keeps the keys that the file has for a backend named by option.
func (l layers) chosenBackends() []backend {
	switch named := l.flags.Backends; {
	case len(named) > 0:
		if i := indexOfBackend(l.file.Backends, named[0].name.value); i >= 0 {
			return l.file.Backends[i : i+1]
		}
		return named
	case len(l.file.Backends) > 0:
		return l.file.Backends
	}
	return []backend{newBackend(DefaultBackend, origin{})}
}

// top has the effective values of the top level, which targets inherit.
func (l layers) top() probe {
	return overlay(l.flags.probe, l.file.probe, l.defaults.probe)
}

// probe has the effective values of a target. Options win over the target's own keys, but its ports
// are the ports of the far end and stay.
func (l layers) probe(t target) probe {
	p := overlay(l.flags.probe, t.probe, l.file.probe, l.defaults.probe)
	p.TCPPort = first(t.TCPPort, p.TCPPort)
	p.UDPPort = first(t.UDPPort, p.UDPPort)
	return p
}

// overlay takes every key from the first layer that has it.
func overlay(levels ...probe) probe {
	var p probe
	for _, level := range levels {
		p = probe{
			TCPPort:    first(p.TCPPort, level.TCPPort),
			UDPPort:    first(p.UDPPort, level.UDPPort),
			Type:       first(p.Type, level.Type),
			RTT:        first(p.RTT, level.RTT),
			TCPLatency: first(p.TCPLatency, level.TCPLatency),
			Size:       first(p.Size, level.Size),
			Interval:   first(p.Interval, level.Interval),
			Timeout:    first(p.Timeout, level.Timeout),
			MaxLost:    first(p.MaxLost, level.MaxLost),
			Tags:       first(p.Tags, level.Tags),
			DSCP:       first(p.DSCP, level.DSCP),
			TTL:        first(p.TTL, level.TTL),

			Protocol:     first(p.Protocol, level.Protocol),
			StampFormat:  first(p.StampFormat, level.StampFormat),
			PTPUTCOffset: first(p.PTPUTCOffset, level.PTPUTCOffset),
			Auth:         firstAuth(p.Auth, level.Auth),
			OWDAtSender:  first(p.OWDAtSender, level.OWDAtSender),
		}
	}
	return p
}

func (c *Config) applyTop(p probe) {
	c.TCPPort = uint16(p.TCPPort.value)
	c.UDPPort = uint16(p.UDPPort.value)
	c.Timeout = seconds(p.Timeout.value)
}

func (l layers) targets() []Target {
	var targets []Target
	for _, t := range l.file.Targets {
		targets = append(targets, l.target(t))
	}
	return targets
}

func (l layers) target(t target) Target {
	p := l.probe(t)
	kind := valueOr(p.Type, "")
	return Target{
		Host:       t.Host.value,
		Label:      valueOr(t.Label, ""),
		Tags:       slices.Clone(p.Tags.value),
		TCP:        l.tcp().value && !strings.EqualFold(kind, "udp"),
		UDP:        l.udp().value && !strings.EqualFold(kind, "tcp"),
		TCPPort:    uint16(p.TCPPort.value),
		UDPPort:    uint16(p.UDPPort.value),
		RTT:        p.RTT.value,
		TCPLatency: p.TCPLatency.value,
		Size:       p.Size.value,
		Interval:   milliseconds(p.Interval.value),
		Timeout:    seconds(p.Timeout.value),
		MaxLost:    p.MaxLost.value,
		DSCP:       p.DSCP.value,
		TTL:        valueOr(p.TTL, 0),
		Stamp:      p.stamp(),
	}
}

func (l layers) engine() engine {
	file, defaults := l.file.Engine, l.defaults.Engine
	return engine{
		Mode:             first(file.Mode, defaults.Mode),
		Isolate:          first(file.Isolate, defaults.Isolate),
		RealtimePriority: first(file.RealtimePriority, defaults.RealtimePriority),
		CPUs:             first(file.CPUs, defaults.CPUs),
		Spin:             first(file.Spin, defaults.Spin),
		TxTimestamps:     first(file.TxTimestamps, defaults.TxTimestamps),
		RingSize:         first(file.RingSize, defaults.RingSize),
		LockMemory:       first(file.LockMemory, defaults.LockMemory),
	}
}

func (e engine) resolve() Engine {
	return Engine{
		Mode:             EngineMode(e.Mode.value),
		Isolate:          e.Isolate.value,
		RealtimePriority: e.RealtimePriority.value,
		CPUs:             slices.Clone(e.CPUs.value),
		Spin:             e.spin(),
		TxTimestamps:     e.TxTimestamps.value,
		RingSize:         e.RingSize.value,
		LockMemory:       e.LockMemory.value,
	}
}

// spin reads a duration that its rule has already accepted.
func (e engine) spin() time.Duration {
	d, _ := time.ParseDuration(e.Spin.value)
	return d
}

// parseAddress reads an address that its rule has already accepted.
func parseAddress(s *setting[string]) netip.Addr {
	if s == nil {
		return netip.Addr{}
	}
	addr, _ := netip.ParseAddr(s.value)
	return addr.Unmap()
}

func milliseconds(v float64) time.Duration { return inNanos(v, time.Millisecond) }

func seconds(v float64) time.Duration { return inNanos(v, time.Second) }

func inNanos(v float64, unit time.Duration) time.Duration {
	return time.Duration(math.Round(v * float64(unit)))
}
