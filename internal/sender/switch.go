package sender

import (
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

const (
	// queryEvery is how often a session that speaks STAMP, and has no answer, asks in text; with a long
	// interval, with every second probe.
	queryEvery = time.Second
	// maxDenied is how often the target may say in text that it knows STAMP, and not answer it meanwhile.
	maxDenied = 3
)

// longestPause is how long a session stays in text at most whose target says that it knows STAMP and
// never answers in it: something on the way does not let it pass. Each try costs MaxLost probes and those
// of a timeout, which is when the first of them counts as lost.
const longestPause = 10 * time.Minute

// fallback is what a session in auto remembers of going back to text.
type fallback struct {
	proven bool          // the target answered in STAMP since that was taken up
	asked  clock.Mono    // when it was asked in text last, since it does not answer
	denied int           // times that it then said that it knows STAMP
	pause  time.Duration // for which text is kept to; 0 = it never went back
	until  clock.Mono    // when the pause is over
}

// fellBack makes a pause: a short one, so that a target that flaps is told seldom; longer and longer if
// STAMP is never answered.
func (f *fallback) fellBack(now clock.Mono) {
	if f.proven {
		f.pause = 0
	}
	f.pause = min(max(2*f.pause, calm), longestPause)
	f.until, f.proven, f.denied = now.Add(f.pause), false, 0
}

// upgrade takes a session in auto over to STAMP from its next slot on, since the target knows that. The
// probes in text that are under way are settled as such. If there are still any in STAMP, it waits for
// another time: their numbers are to be used again.
func (s *Sender) upgrade(x *session, now clock.Mono) {
	w := x.stamp
	if x.speaking == &w.flow || w.pause != 0 && now < w.until || w.table.Outstanding() > 0 {
		return
	}
	s.begin(w)
	x.speaking = &w.flow
	s.counters.Inc(selfstats.StampUpgrades)
	s.event(x, measurement.EventStamp, 0)
}

// doubts reports whether the probe of a slot is to ask in text, in the place of one in STAMP: the target
// has not answered MaxLost of those in a row. It may be out of reach, or it was replaced by a program that
// knows text only, which the answer tells. So an outage does not end a STAMP session, whose numbers show
// the far end afterwards what was lost.
func (x *session) doubts(slot clock.Mono) bool {
	w := x.stamp
	if x.Protocol != measurement.Auto || w.lostRun < x.MaxLost || !x.text.table.Ready() ||
		slot.Sub(w.asked) < max(queryEvery, 2*x.Interval) {
		return false
	}
	w.asked = slot
	return true
}

// contradicted notes that a target which does not answer STAMP says in text that it knows it: it has come
// back, or something on the way does not let STAMP pass.
func (s *Sender) contradicted(x *session, now clock.Mono) {
	w := x.stamp
	if x.speaking != &w.flow || w.lostRun < x.MaxLost {
		return
	}
	if w.denied++; !w.proven || w.denied >= maxDenied {
		s.fallBack(x, now)
	}
}

// fallBack takes a session in auto back to text, since the target knows nothing else or does not answer
// in anything else.
func (s *Sender) fallBack(x *session, now clock.Mono) {
	w := x.stamp
	if x.Protocol != measurement.Auto || x.speaking != &w.flow {
		return
	}
	x.speaking = &x.text
	w.fellBack(now)
	s.counters.Inc(selfstats.StampFallbacks)
	s.event(x, measurement.EventText, 0)
}
