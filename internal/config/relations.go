package config

import (
	"fmt"
	"slices"
	"strings"
)

// checkRelations holds the effective values against one another.
func (l layers) checkRelations() error {
	if err := l.checkTransports(); err != nil {
		return err
	}
	if err := l.checkLogLevels(); err != nil {
		return err
	}
	if err := checkIsolation(l.engine()); err != nil {
		return err
	}
	if err := l.checkReflector(); err != nil {
		return err
	}
	for _, t := range l.file.Targets {
		p := l.probe(t)
		if err := checkProtocol(p, l.target(t)); err != nil {
			return err
		}
		if err := checkSize(p.Size, l.maxSize()); err != nil {
			return err
		}
		if err := checkOutstanding(p); err != nil {
			return err
		}
		if err := checkSpin(p.Interval, l.engine()); err != nil {
			return err
		}
		if err := l.checkLateLimit(p.Timeout); err != nil {
			return err
		}
	}
	if err := l.checkLateLimit(l.top().Timeout); err != nil {
		return err
	}
	return l.checkDuplicates()
}

func (l layers) checkTransports() error {
	tcp, udp := l.tcp(), l.udp()
	if tcp.value || udp.value {
		return nil
	}
	return conflict(tcp.from, udp.from, "one of tcp and udp must be on")
}

// checkLogLevels refuses a backend log whose every point would be left out of the log.
func (l layers) checkLogLevels() error {
	for _, b := range l.chosenBackends() {
		if b.name.value != BackendLog {
			continue
		}
		logLevel := l.logLevel()
		if ParseLogLevel(logLevel.value).letsThrough(ParseLogLevel(b.keys["level"].(string))) {
			continue
		}
		return conflict(b.from["level"], logLevel.from, "log_level must let the level of backend log through")
	}
	return nil
}

// checkLateLimit: a lost probe is told a timeout after its second, which must take it then.
func (l layers) checkLateLimit(timeout *setting[float64]) error {
	for _, b := range l.chosenBackends() {
		if limit, has := b.keys["late_limit"].(float64); has && limit <= timeout.value {
			return conflict(b.from["late_limit"], timeout.from, "late_limit must be longer than every timeout")
		}
	}
	return nil
}

// checkIsolation: the portable engine allocates and wants the garbage collector, which an engine
// process has not.
func checkIsolation(e engine) error {
	if e.Isolate.value != IsolateTrue || EngineMode(e.Mode.value) != EnginePortable {
		return nil
	}
	return conflict(e.Isolate.from, e.Mode.from, "the portable engine can't have a process of its own")
}

// checkReflector: a second socket on the first one's port would not open, and keys that are required
// must be there.
func (l layers) checkReflector() error {
	port, stampPort := l.top().UDPPort, l.stampPort()
	if stampPort.value == port.value {
		return conflict(stampPort.from, port.from, "stamp_port must be another port than udp_port")
	}
	keys, file := l.file.AuthKeys, l.file.AuthKeysFile
	if keys != nil && file != nil {
		return conflict(keys.from, file.from, "give one of them")
	}
	if required := l.requireAuth(); required.value && file == nil && len(valueOr(keys, nil)) == 0 {
		return fmt.Errorf("%s: needs auth_keys or auth_keys_file, or nobody is answered", required.from)
	}
	return nil
}

// checkProtocol refuses a key for a protocol that has no use for it.
func checkProtocol(p probe, t Target) error {
	key := p.Auth.given()
	if !t.UDP || t.Stamp.Protocol != ProtocolText || key == nil {
		return nil
	}
	return conflict(p.Protocol.from, key.from,
		`text has no authentication: protocol must be stamp or auto, or auth_key ""`)
}

func checkSize(size, maxSize *setting[int]) error {
	if size.value <= maxSize.value {
		return nil
	}
	return fmt.Errorf("%s: must be at most %s, in octets", size.from, maxSize.from.assignment)
}

func checkOutstanding(p probe) error {
	timeout, interval := seconds(p.Timeout.value), milliseconds(p.Interval.value)
	outstanding := timeout / interval
	if outstanding <= maxOutstanding {
		return nil
	}
	return conflict(p.Timeout.from, p.Interval.from, fmt.Sprintf(
		"%d probes could wait for a reply, must be at most %d (timeout / interval)",
		outstanding, maxOutstanding))
}

func checkSpin(interval *setting[float64], e engine) error {
	if e.spin() < milliseconds(interval.value) {
		return nil
	}
	return conflict(e.Spin.from, interval.from, "spin must be less than every interval")
}

// conflict is the error for two values that do not go together.
func conflict(a, b origin, demand string) error {
	if a.file == "" && b.file != "" { // the file is named first
		a, b = b, a
	}
	return fmt.Errorf("%s and %s: %s", a, b.assignment, demand)
}

// checkDuplicates finds targets whose measurements could not be told apart: they would have the same
// name and tags on the same metric.
func (l layers) checkDuplicates() error {
	seen := map[string]int{}
	for i, t := range l.targets() {
		for _, identity := range identities(t) {
			if earlier, duplicate := seen[identity]; duplicate {
				return l.duplicateError(earlier, i)
			}
			seen[identity] = i
		}
	}
	return nil
}

// identities returns a string for each transport of a target. Host names differ by more than case;
// tags are the same in any order. Neither names nor tags can have the "|" between the parts.
func identities(t Target) []string {
	name := t.Label
	if name == "" {
		name = strings.ToLower(t.Host)
	}
	tags := slices.Sorted(slices.Values(t.Tags))
	series := name + "|" + strings.Join(tags, "|")
	var all []string
	if t.TCP {
		all = append(all, "tcp|"+series)
	}
	if t.UDP {
		all = append(all, "udp|"+series)
	}
	return all
}

func (l layers) duplicateError(a, b int) error {
	first, second := l.file.Targets[a], l.file.Targets[b]
	return fmt.Errorf("%s and %s: their measurements could not be told apart, must differ in label, "+
		"tags or type: give one a label of its own", describe(first), second.Host.from.assignment+label(second))
}

func describe(t target) string { return t.Host.from.String() + label(t) }

func label(t target) string {
	if t.Label == nil {
		return ""
	}
	return fmt.Sprintf(" (label %s)", quote(t.Label.value))
}
