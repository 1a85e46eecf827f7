package sender

import (
	"syscall"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/match"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// A target behind a filter that refuses every other probe, or a path on which routers disagree why,
// changes state all the time.
func TestFlappingTargetIsToldSeldom(t *testing.T) {
	const probes, interval = 10_000, time.Millisecond
	ups := map[string]func(s *Sender, x *session, i int, now clock.Mono){
		"between answering and unreachable": func(s *Sender, x *session, i int, now clock.Mono) {
			if i%2 == 0 {
				s.heard(x, uint64(i), now)
			} else {
				s.blocked(x, int64(syscall.ECONNREFUSED), now)
			}
		},
		"between two reasons": func(s *Sender, x *session, i int, now clock.Mono) {
			s.blocked(x, int64(syscall.ENETUNREACH)+int64(i%2), now)
		},
		"between answering and silent": func(s *Sender, x *session, i int, now clock.Mono) {
			if i%2 == 0 {
				s.heard(x, uint64(i), now)
			} else {
				s.lose(x, &x.text, &match.Probe{Seq: uint64(i)}, now)
			}
		},
	}
	for name, step := range ups {
		t.Run(name, func(t *testing.T) {
			buffer, err := ring.New(1 << 14)
			if err != nil {
				t.Fatal(err)
			}
			s := &Sender{config: Config{Ring: buffer}, counters: new(selfstats.Block)}
			d := sessionTo(1, measurement.UDP, anyPort)
			d.Protocol, d.MaxLost, d.RTT = measurement.Text, 1, false
			x := newSession(0, d)
			for i := range probes {
				step(s, x, i, clock.Mono(time.Hour+time.Duration(i)*interval))
			}
			seconds := int(probes * interval / time.Second)
			if n := buffer.Len(); n < 2 || n > 2*(seconds+1) {
				t.Errorf("%d events in %d seconds, want 2 a second at most", n, seconds)
			}
		})
	}
}

// Losses are settled a timeout later than answers.
func TestLossesOfAnOutageThatIsOverDoNotMakeTheTargetSilent(t *testing.T) {
	buffer, err := ring.New(1 << 10)
	if err != nil {
		t.Fatal(err)
	}
	s := &Sender{config: Config{Ring: buffer}, counters: new(selfstats.Block)}
	d := sessionTo(1, measurement.UDP, anyPort)
	d.Protocol, d.MaxLost, d.RTT = measurement.Text, 3, false
	x := newSession(0, d)
	now := clock.Mono(time.Hour)
	s.heard(x, 100, now)
	for seq := range uint64(100) {
		s.lose(x, &x.text, &match.Probe{Seq: seq}, now.Add(calm))
	}
	if x.state != answering {
		t.Errorf("state %v after losses before the last answer, want %v", x.state, answering)
	}
	for seq := uint64(101); seq < 104; seq++ {
		s.lose(x, &x.text, &match.Probe{Seq: seq}, now.Add(calm))
	}
	if x.state != silent {
		t.Errorf("state %v after three losses in a row, want %v", x.state, silent)
	}
}

// Few of the probes that are lost are told of by an error, so that is the last word for a while.
func TestTargetThatNobodySpeaksForAnyMoreIsSilent(t *testing.T) {
	const interval = 100 * time.Millisecond
	buffer, err := ring.New(1 << 10)
	if err != nil {
		t.Fatal(err)
	}
	s := &Sender{config: Config{Ring: buffer}, counters: new(selfstats.Block)}
	d := sessionTo(1, measurement.UDP, anyPort)
	d.Protocol, d.MaxLost, d.RTT = measurement.Text, 3, false
	x := newSession(0, d)
	seq, start := uint64(0), clock.Mono(time.Hour)
	lose := func(during time.Duration, everyError uint64) (now clock.Mono) {
		for end := seq + uint64(during/interval); seq < end; seq++ {
			now = start.Add(time.Duration(seq) * interval)
			if everyError > 0 && seq%everyError == 0 {
				s.blocked(x, int64(syscall.ECONNREFUSED), now)
			}
			s.lose(x, &x.text, &match.Probe{Seq: seq}, now)
		}
		return now
	}
	lose(time.Minute, 20)
	if x.state != unreachable || buffer.Len() != 1 {
		t.Errorf("state %v after %d events, want %v after 1", x.state, buffer.Len(), unreachable)
	}
	lose(errorsLast+3*time.Second, 0)
	if x.state != silent || buffer.Len() != 2 {
		t.Errorf("state %v after %d events, want %v after 2", x.state, buffer.Len(), silent)
	}
	lose(time.Minute, 20)
	if x.state != unreachable || buffer.Len() != 3 {
		t.Errorf("state %v after %d events, want %v after 3", x.state, buffer.Len(), unreachable)
	}
}

func TestProbesAreNotSentWithAClockThatWasNeverSet(t *testing.T) {
	const never = 1_000_000 // nanoseconds since 1970
	d := sessionTo(1, measurement.UDP, anyPort)
	x := newSession(0, d)
	if m := x.template.Message(0, never); m != nil {
		t.Errorf("Message at %d = %q, want none", never, m)
	}
}
