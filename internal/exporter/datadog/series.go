package datadog

import (
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

// never is so long before all seconds that the difference does not overflow.
const never = math.MinInt64 / 2

// series is one of Datadog's: a metric with its tags. Several of the exporter's may be the same one, such
// as those of a peer that came back.
type series struct {
	identity string
	loss     bool
	form     form
	seconds  []*second // ascending
	closed   int64     // up to here no second takes points any more
	newest   int64     // second of a point in this generation, also of those that were refused
	before   int64     // the same, in the last generation
	touched  uint32    // the generation of the last point
}

func newSeries(s *exporter.Series, identity string) *series {
	return &series{
		identity: identity, loss: s.Metric.Loss(), form: newForm(s), closed: never, newest: never, before: never,
	}
}

// identityOf is the same for series that are the same to Datadog: tags are a set.
func identityOf(s *exporter.Series) string {
	tags := slices.Clone(s.Tags)
	slices.Sort(tags)
	return s.Name + "\x00" + strings.Join(tags, "\x00")
}

// secondOf returns the second at, a new one if need be; nil if it is closed.
func (s *series) secondOf(at int64) *second {
	s.newest = max(s.newest, at)
	if at <= s.closed {
		return nil
	}
	if last := len(s.seconds) - 1; last >= 0 && s.seconds[last].at == at {
		return s.seconds[last]
	}
	i := sort.Search(len(s.seconds), func(i int) bool { return s.seconds[i].at >= at })
	if i < len(s.seconds) && s.seconds[i].at == at {
		return s.seconds[i]
	}
	s.seconds = slices.Insert(s.seconds, i, &second{at: at})
	return s.seconds[i]
}

// close forgets delivered seconds that are window older than the newest, and those that idle says are.
func (s *series) close(window int64, idle func(touched uint32) bool) (freed int) {
	horizon := max(s.newest, s.before)
	s.seconds = slices.DeleteFunc(s.seconds, func(x *second) bool {
		if x.unsent > 0 || horizon-x.at < window && !idle(x.touched) {
			return false
		}
		s.closed = max(s.closed, x.at)
		freed += x.octets()
		return true
	})
	return freed
}

// turn begins a generation. A series that had points of closed seconds only opens them again: the clock
// was set back.
func (s *series) turn() {
	if s.newest <= s.closed && s.newest != never {
		s.closed = never
	}
	s.before, s.newest = s.newest, never
}
