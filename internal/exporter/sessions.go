package exporter

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// names is one session's names and the series that came of them. All but desc is used by the
// exporter goroutine alone.
type names struct {
	desc   *measurement.Session // nil for a reflected session
	tags   []string
	tail   string
	series []*Series // by metric, made at its first sample
}

func newNames(source, target string, own []string) *names {
	tags := resolveTags(source, target, own)
	return &names{tags: tags, tail: tailOf(tags)}
}

// of gives the session's series of metric m, which must be valid.
func (n *names) of(m measurement.Metric) *Series {
	for int(m) >= len(n.series) {
		n.series = append(n.series, nil)
	}
	if n.series[m] == nil {
		n.series[m] = newSeries(m, n.tags, n.tail)
	}
	return n.series[m]
}

// probed is the table of sessions that we probe: changed from anywhere, read by the exporter.
type probed struct {
	mu      sync.Mutex
	byID    map[measurement.SessionID]*names
	leaving []measurement.SessionID
}

func (p *probed) add(s measurement.Session) error {
	if s.ID == 0 || s.ID >= measurement.ReflectedIDs {
		return fmt.Errorf("session %d: the ID of a probed session must be from 1 to %d",
			s.ID, measurement.ReflectedIDs-1)
	}
	s.Tags = slices.Clone(s.Tags)
	n := newNames(s.Source, s.Target, s.Tags)
	n.desc = &s
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byID[s.ID] != nil {
		return fmt.Errorf("session %d: its ID is taken", s.ID)
	}
	p.byID[s.ID] = n
	return nil
}

func (p *probed) remove(id measurement.SessionID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaving = append(p.leaving, id)
}

func (p *probed) get(id measurement.SessionID) *names {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byID[id]
}

// takeLeaving gives the sessions that were removed and forgets that they were.
func (p *probed) takeLeaving() []measurement.SessionID {
	p.mu.Lock()
	defer p.mu.Unlock()
	leaving := p.leaving
	p.leaving = nil
	return leaving
}

func (p *probed) forget(ids []measurement.SessionID) {
	if len(ids) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range ids {
		delete(p.byID, id)
	}
}

// reflected is the table of the sessions that the reflector behind one ring found. Each ring has its
// own, so that rings need not agree on who gives which ID, and a corrupt one spoils only itself.
type reflected struct {
	byID      map[measurement.SessionID]*names
	assembler measurement.NameAssembler
	limit     int
	target    string // our own name
}

// add takes a KindName record. It reports false when the record, or the identity that it completes,
// is not usable.
func (r *reflected) add(s *measurement.Sample) bool {
	if s.Session < measurement.ReflectedIDs || s.Seq>>32 > measurement.MaxIdentity {
		return false
	}
	identity, complete := r.assembler.Add(s)
	if !complete {
		return identity != nil
	}
	source, rawTags, found := bytes.Cut(identity, []byte("|"))
	tags, err := textproto.ParseTags(rawTags)
	known := r.byID[s.Session] != nil
	if !found || err != nil || (!known && len(r.byID) >= r.limit) {
		return false
	}
	r.byID[s.Session] = newNames(string(source), r.target, tags)
	return true
}

// end takes a KindEnd record. It reports false when there is no such session.
func (r *reflected) end(id measurement.SessionID) bool {
	known := r.byID[id] != nil
	delete(r.byID, id)
	return known
}
