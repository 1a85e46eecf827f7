package latencymonitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/resolver"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// TargetID names a target of one [Monitor]. It is never used again.
type TargetID uint64

// ErrNoTarget is the error of RemoveTarget for a target that is not there.
var ErrNoTarget = errors.New("no such target")

// keepNames is how long the names of a removed target are kept, for samples that are still on their way from
// the engine. Those of an engine that stands still for longer count as unresolved.
const keepNames = 5 * time.Second

// target is one that was added.
type target struct {
	Target
	id       TargetID
	sessions []measurement.Session
	begun    bool // the engine knows the sessions, or will when their address is known

	// Of a target that has begun.
	unwatch context.CancelFunc
	watched <-chan struct{} // closed when its sessions are not added to the engine any more
}

// table is the targets there are, and what IDs were given. Guarded by the Monitor's mu.
type table struct {
	byID        map[TargetID]*target
	identities  map[string]bool
	leaving     map[TargetID]*time.Timer // removed, with names that are kept for a while
	lastID      TargetID
	lastSession measurement.SessionID
}

func newTable() table {
	return table{
		byID: map[TargetID]*target{}, identities: map[string]bool{}, leaving: map[TargetID]*time.Timer{},
	}
}

// AddUDPTarget adds a target that is probed over UDP only, with the defaults of Target. The address is a
// host, or a host and a port as in "192.0.2.2:8001" or "[2001:db8::2]:8001".
func (m *Monitor) AddUDPTarget(address string) (TargetID, error) {
	host, port := splitAddress(address)
	return m.AddTarget(Target{Host: host, UDPPort: port, Transports: UDP})
}

// AddTCPTarget adds a target that is probed over TCP only, over an established connection and by
// handshakes. See AddUDPTarget.
func (m *Monitor) AddTCPTarget(address string) (TargetID, error) {
	host, port := splitAddress(address)
	return m.AddTarget(Target{Host: host, TCPPort: port, Transports: TCP | TCPConnect})
}

// AddTarget adds a target, before Start or while the Monitor runs. Two that have the same transports must
// differ in label or tags. The error of a wrong field names it, the value and what is allowed; that a
// host name can't be resolved is no error, it is tried again.
func (m *Monitor) AddTarget(t Target) (TargetID, error) {
	ids, err := m.AddTargets(t)
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// AddTargets is AddTarget for several, all or none of them. Probes of targets that begin together are
// spread evenly over their interval. One that is added later takes the middle of the largest gap, so
// that those that run keep their times.
func (m *Monitor) AddTargets(targets ...Target) ([]TargetID, error) {
	var batch []*target
	for _, t := range targets {
		t = t.complete()
		if err := m.options.checkTarget(t); err != nil {
			return nil, err
		}
		batch = append(batch, &target{Target: t, sessions: m.options.sessions(t)})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state == over {
		return nil, ErrClosed
	}
	if err := m.table.add(batch); err != nil {
		return nil, err
	}
	var ids []TargetID
	for _, t := range batch {
		ids = append(ids, t.id)
	}
	if m.state == running {
		return ids, m.begin(batch)
	}
	return ids, nil
}

// add enters all of the targets, with IDs for them and their sessions, or none.
func (t *table) add(batch []*target) error {
	seen, sessions := map[string]bool{}, 0
	for _, added := range batch {
		for _, identity := range added.identities() {
			if seen[identity] || t.identities[identity] {
				return duplicate(added.Target)
			}
			seen[identity] = true
		}
		sessions += len(added.sessions)
	}
	if free := measurement.ReflectedIDs - 1 - t.lastSession; uint64(sessions) > uint64(free) {
		return fmt.Errorf("no more than %d sessions in the life of a Monitor", measurement.ReflectedIDs-1)
	}
	for _, added := range batch {
		t.lastID++
		added.id = t.lastID
		for i := range added.sessions {
			t.lastSession++
			added.sessions[i].ID = t.lastSession
		}
		for _, identity := range added.identities() {
			t.identities[identity] = true
		}
		t.byID[added.id] = added
	}
	return nil
}

// beginAll begins with the targets that were added before the engine ran.
func (m *Monitor) beginAll() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = running
	m.watching, m.unwatch = context.WithCancel(context.Background())
	m.resolving = start(func(context.Context) error { return m.resolver.Run(m.watching, nil) }).done
	return m.begin(m.table.inOrder())
}

func (t *table) inOrder() []*target {
	byID := func(a, b *target) int { return cmp.Compare(a.id, b.id) }
	return slices.SortedFunc(maps.Values(t.byID), byID)
}

// present is the targets there are.
func (m *Monitor) present() []*target {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.table.inOrder()
}

// begin has the targets probed. The caller holds mu.
func (m *Monitor) begin(batch []*target) error {
	var before, fresh []*measurement.Session
	for _, t := range m.table.byID {
		for i := range t.sessions {
			if t.begun {
				before = append(before, &t.sessions[i])
			}
		}
	}
	for _, t := range batch {
		for i := range t.sessions {
			fresh = append(fresh, &t.sessions[i])
		}
	}
	spread(before, fresh)
	for _, t := range batch {
		for _, s := range t.sessions {
			if err := m.exporter.AddSession(s); err != nil {
				return err // never: the IDs are new
			}
		}
		var ctx context.Context
		ctx, t.unwatch = context.WithCancel(m.watching)
		t.begun = true
		t.watched = m.resolver.Watch(ctx, resolver.Target{Host: t.Host, Sessions: t.sessions})
	}
	return nil
}

// RemoveTarget ends the probing of a target. Its probes that are under way count as abandoned; the
// points that were measured before are published. The error is ErrNoTarget if it was removed before, or
// never there.
func (m *Monitor) RemoveTarget(id TargetID) error {
	t, err := m.take(id)
	if err != nil || !t.begun {
		return err
	}
	t.unwatch()
	<-t.watched
	e, _ := m.measuring.current()
	for _, s := range t.sessions {
		e.Remove(s.ID)
		m.addressed.Delete(s.ID)
	}
	m.letGo(t)
	return nil
}

// letGo has the names of a removed target forgotten, after a while.
func (m *Monitor) letGo(t *target) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state == over {
		return // and soon everything is forgotten
	}
	m.table.leaving[t.id] = time.AfterFunc(keepNames, func() {
		m.mu.Lock()
		delete(m.table.leaving, t.id)
		m.mu.Unlock()
		for _, s := range t.sessions {
			m.exporter.RemoveSession(s.ID)
		}
	})
}

// take takes a target out of the table.
func (m *Monitor) take(id TargetID) (*target, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.table.byID[id]
	if t == nil {
		return nil, fmt.Errorf("target %d: %w", id, ErrNoTarget)
	}
	delete(m.table.byID, id)
	for _, identity := range t.identities() {
		delete(m.table.identities, identity)
	}
	return t, nil
}
