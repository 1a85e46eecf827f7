package sender

import (
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

const (
	clockEvery   = time.Second      // how often the clock's error is asked for
	publishEvery = 10 * time.Second // how often it is published
	// goodError is the largest bound that is not told.
	goodError = time.Millisecond
	// betterFor is for how long the clock must have been better before that is told: between two looks
	// at its source the kernel lets the bound grow by half a millisecond each second (adjtimex(2)).
	betterFor = time.Minute
)

// hostClock follows how far this host's clock may be off.
type hostClock struct {
	read      func() clock.Error
	estimates [stamp.PTP + 1]stamp.ErrorEstimate // for probes, by format
	readAt    clock.Mono
	published clock.Mono

	told     clockState
	better   clockState // the worst since betterAt
	betterAt clock.Mono // since when it is better than told; 0 = it is not
}

// clockState says how good a clock is, the best first.
type clockState uint8

const (
	exact          clockState = iota // or nothing was told
	inexact                          // the bound is above goodError
	unsynchronised                   // there is no bound
)

func newHostClock(read func() clock.Error) hostClock {
	h := hostClock{read: read}
	h.estimate(read())
	return h
}

func (h *hostClock) estimate(e clock.Error) {
	for f := range h.estimates {
		h.estimates[f] = stamp.NewErrorEstimate(e.Bound, stamp.Format(f))
		if e.Synchronised {
			h.estimates[f] |= stamp.SyncBit
		}
	}
}

func stateOf(e clock.Error) clockState {
	switch {
	case !e.Synchronised:
		return unsynchronised
	case e.Bound > goodError:
		return inexact
	}
	return exact
}

// watchClock keeps the error estimate of probes up to date and publishes it; session 0 stands for the
// host.
func (s *Sender) watchClock(now clock.Mono) {
	h := &s.host
	if h.readAt != 0 && now.Sub(h.readAt) < clockEvery {
		return
	}
	h.readAt = now
	e := h.read()
	h.estimate(e)
	if h.published == 0 || now.Sub(h.published) >= publishEvery {
		h.published = now
		s.config.Ring.Push(&measurement.Sample{
			Kind: measurement.KindMetric, Metric: measurement.HostClockError, Time: int64(clock.WallNow()), Value: int64(e.Bound),
		})
	}
	if h.changed(stateOf(e), now) {
		s.event(nil, measurement.EventClockError, h.detail(e))
	}
}

// changed reports whether the state of the clock is to be told: at once when it is worse than what was
// told last; when it has been better for a while.
func (h *hostClock) changed(state clockState, now clock.Mono) bool {
	switch {
	case state == h.told:
		h.betterAt = 0
		return false
	case state > h.told:
		h.told, h.betterAt = state, 0
		return true
	case h.betterAt == 0:
		h.better, h.betterAt = state, now
	}
	h.better = max(h.better, state)
	if now.Sub(h.betterAt) < betterFor {
		return false
	}
	h.told, h.betterAt = h.better, 0
	return true
}

// detail of the event: the bound, -1 = there is none, 0 = all is well again.
func (h *hostClock) detail(e clock.Error) int64 {
	switch h.told {
	case exact:
		return 0
	case unsynchronised:
		return -1
	}
	return int64(e.Bound)
}
