package exporter

import "github.com/latency-monitor/latency-monitor/pkg/measurement"

// What happens to a record, in the order in which it does: drain, take, metric, emit, fanOut.

// drain moves to the queues at least what was in the rings when it was called, and at most one
// capacity of each ring: so neither a fast producer nor a corrupt ring holds it forever. It returns how many times
// what a poll should find the fullest ring had; 0 = there was nothing.
func (e *Exporter) drain() (found float64) {
	leaving := e.probed.takeLeaving()
	all, leavingRings := e.sources()
	for _, src := range all {
		found = max(found, e.drainRing(src))
	}
	e.fanOut()
	e.letGo(leavingRings)
	// Whatever the engine pushed before these sessions were removed is resolved now.
	e.probed.forget(leaving)
	return found
}

func (e *Exporter) drainRing(src *source) (found float64) {
	total, capacity := 0, src.ring.Cap()
	for total < capacity {
		n := src.ring.Pop(e.popped[:])
		for i := range e.popped[:n] {
			e.take(src, &e.popped[i])
		}
		total += n
		if n < len(e.popped) {
			break
		}
	}
	return float64(total) / float64(min(popSize, max(1, capacity/8)))
}

// take handles one record.
func (e *Exporter) take(src *source, s *measurement.Sample) {
	usable := false
	switch s.Kind {
	case measurement.KindMetric:
		usable = e.metric(src, s)
	case measurement.KindName:
		usable = src.reflected.add(s)
	case measurement.KindEnd:
		usable = src.reflected.end(s.Session)
	case measurement.KindEvent:
		usable = e.event(s)
	}
	if !usable {
		e.invalid.Add(1)
	}
}

func (e *Exporter) resolve(src *source, s *measurement.Sample) *names {
	switch {
	case s.Metric == measurement.HostClockError:
		return e.host
	case s.Session >= measurement.ReflectedIDs:
		return src.reflected.byID[s.Session]
	}
	return e.probed.get(s.Session)
}

func (e *Exporter) metric(src *source, s *measurement.Sample) (usable bool) {
	if !s.Metric.Valid() || (s.Metric == measurement.HostClockError && s.Session != 0) {
		return false
	}
	n := e.resolve(src, s)
	if n == nil {
		e.unresolved.Add(1)
		return true
	}
	if s.Metric.Loss() {
		return e.lost(n.of(s.Metric), s)
	}
	e.emit(run{Point: Point{Series: n.of(s.Metric), Time: s.Time, Value: s.Value}, count: 1})
	return true
}

// lost emits one point of value 1 per lost probe.
func (e *Exporter) lost(series *Series, s *measurement.Sample) (usable bool) {
	if s.Value <= 0 {
		return false
	}
	count, last := min(s.Value, maxLost), s.T4
	e.excess.Add(uint64(s.Value - count))
	if span := last - s.Time; last == 0 || span < 0 || last < s.Time { // none, or more than there can be
		last = s.Time
	}
	e.emit(run{Point: Point{Series: series, Time: s.Time, Value: 1}, count: count, last: last})
	return true
}

func (e *Exporter) emit(r run) {
	if e.config.OnPoint != nil {
		e.show(r)
	}
	e.batch = append(e.batch, r)
	if len(e.batch) == cap(e.batch) {
		e.fanOut()
	}
}

// fanOut gives the batch to every backend's queue.
func (e *Exporter) fanOut() {
	if len(e.batch) == 0 {
		return
	}
	for _, o := range e.outlets {
		o.queue.put(e.batch)
	}
	clear(e.batch) // lets go of the series
	e.batch = e.batch[:0]
}

// show gives each point of a run to OnPoint.
func (e *Exporter) show(r run) {
	for r.count > 0 {
		left := r.count
		if more := e.config.OnPoint(r.next(), left); !more {
			return
		}
	}
}

func (e *Exporter) event(s *measurement.Sample) (usable bool) {
	kind, detail := s.Event()
	if kind == 0 || s.Session >= measurement.ReflectedIDs { // the reflector tells of itself only
		return false
	}
	event := Event{ID: s.Session, Kind: kind, Detail: detail, At: s.Time}
	if s.Session != 0 {
		n := e.probed.get(s.Session)
		if n == nil {
			e.unresolved.Add(1)
			return true
		}
		event.Session = n.desc
	}
	e.events.put(event)
	return true
}
