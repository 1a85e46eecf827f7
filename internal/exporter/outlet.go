package exporter

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"
)

const (
	// flushEvery is how long a busy backend may hold points back that has no Interval.
	flushEvery = 100 * time.Millisecond

	// The pauses between two tries: they double from the first on. At the end of the daemon there is no
	// time for long ones.
	firstPause   = 500 * time.Millisecond
	longestPause = 30 * time.Second
	lastPause    = 250 * time.Millisecond
)

// outlet is one backend with its queue and the goroutine that takes from the one to the other.
type outlet struct {
	backend Backend
	pacing  Pacing
	queue   *queue
	log     zerolog.Logger
	final   chan<- error  // takes the first error that ends the daemon
	done    chan struct{} // closed when run has returned
	gone    bool          // the other end is gone for good, and nobody is to miss the points; valid when done is closed
	before  int64         // points dropped before the end began
	failing bool          // the last error was logged and nothing has worked since
	reason  string        // of the error that was logged last
	refuses bool          // that one was a refusal
	flushed time.Time     // last, or when the queue was last empty
	away    time.Duration // the pause before the next Flush of a backend that sums up; 0: its server is there

	refusals    int   // points refused and not told yet
	refusal     error // the last one
	refusalTold time.Time
}

func newOutlet(b Backend, p Pacing, log zerolog.Logger, final chan<- error) *outlet {
	if p.Batch <= 0 {
		p.Batch = batchSize
	}
	return &outlet{
		backend: b, pacing: p, queue: newQueue(p.Buffer), final: final, done: make(chan struct{}),
		log: log.With().Str("backend", b.Name()).Logger(),
	}
}

func (o *outlet) counters() BackendCounters {
	c := o.queue.counters(o.backend.Name())
	if b, ok := o.backend.(Counting); ok {
		c.Own = b.Counters()
	}
	return c
}

// run serves the backend until the queue is closed and empty, or abandoned, or the backend is gone
// for good. ctx is for the backend: its end makes a backend give up, not run.
func (o *outlet) run(ctx context.Context) {
	defer close(o.done)
	if s, ok := o.backend.(Starter); ok {
		s.Start()
	}
	err := o.serve(ctx)
	if err != nil {
		o.gone = true
		o.queue.abandon()
	}
	o.tellRefusals()
	if closeErr := o.backend.Close(ctx); closeErr != nil && err == nil {
		o.fail(closeErr)
	}
	if err != nil {
		select {
		case o.final <- err:
		default: // another backend ended the daemon first
		}
	}
}

// end lets run come to its end.
func (o *outlet) end() { o.before = o.queue.close() }

// tellWaiting logs that the end waits for the backend, if there is anything left.
func (o *outlet) tellWaiting() {
	if left := o.counters().Queued; left > 0 {
		o.log.Info().Uint64("points", left).Msg("stopping: waiting for the backend to take what is left")
	}
}

// tellGivenUp logs what was left in the end.
func (o *outlet) tellGivenUp() {
	if lost := int64(o.counters().Dropped) - o.before; lost > 0 {
		o.log.Warn().Int64("points", lost).Msg("backend did not take all points in time; the rest is lost")
	}
}

// serve returns nil when the queue is closed and empty, or the error that ends the daemon.
func (o *outlet) serve(ctx context.Context) error {
	batch := make([]Point, 0, o.pacing.Batch)
	o.flushed = time.Now()
	for {
		o.gather()
		points, more := o.queue.take(batch)
		if len(points) > 0 {
			if err := o.publish(ctx, points); err != nil {
				return err
			}
		}
		switch {
		case o.pacing.Interval > 0 && time.Since(o.flushed) < o.interval() && (len(points) == cap(points) || more):
			continue // more are waiting, or to be gathered
		case o.pacing.Interval == 0 && len(points) > 0 && time.Since(o.flushed) < flushEvery:
			continue
		}
		if err := o.flush(ctx); err != nil || !more {
			return err
		}
		if o.pacing.Interval == 0 && len(points) == 0 {
			<-o.queue.wake
			o.flushed = time.Now()
		}
	}
}

// gather waits until the points that wait are to be handed on.
func (o *outlet) gather() {
	if o.pacing.Interval == 0 || o.queue.ready(o.pacing.Batch) {
		return
	}
	over := time.NewTimer(time.Until(o.flushed.Add(o.interval())))
	defer over.Stop()
	for !o.queue.ready(o.pacing.Batch) {
		select {
		case <-over.C:
			return
		case <-o.queue.wake:
		}
	}
}

// interval is how long after the last Flush the next one is.
func (o *outlet) interval() time.Duration {
	if o.away > 0 {
		return o.away
	}
	return o.pacing.Interval
}

// publish returns only errors that end the daemon, like flush.
func (o *outlet) publish(ctx context.Context, points []Point) error {
	return o.settle(o.insist(ctx, points), int64(len(points)))
}

func (o *outlet) flush(ctx context.Context) error {
	unsettled := o.queue.unsettled()
	if unsettled > 0 {
		err := o.insist(ctx, nil)
		o.flushed = time.Now()
		if o.summed(ctx, err) {
			return nil
		}
		if err := o.settle(err, unsettled); err != nil {
			return err
		}
	}
	o.flushed, o.away = time.Now(), 0
	if o.queue.settleSent() > 0 {
		o.works()
	}
	return nil
}

// summed reports whether err says to go on publishing and to flush later, which it sees to.
func (o *outlet) summed(ctx context.Context, err error) bool {
	unavailable, ok := errors.AsType[*UnavailableError](err)
	if !ok || !unavailable.Summed || ctx.Err() != nil {
		return false
	}
	o.away = max(min(2*o.away, longestPause), firstPause, unavailable.After)
	o.queue.retry()
	return true
}

// insist tries to publish points, or to flush if there are none, until the backend is available or ctx
// is done.
func (o *outlet) insist(ctx context.Context, points []Point) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := o.try(ctx, points)
		unavailable, ok := errors.AsType[*UnavailableError](err)
		if !ok || ctx.Err() != nil {
			return err
		}
		o.complainOnce(unavailable, err)
		if unavailable.Summed && !o.queue.ending() {
			return err
		}
		o.pause(ctx, max(pause, unavailable.After))
		o.queue.retry()
	}
}

// complainOnce logs why a backend is unavailable, unless it is so already for the same reason.
func (o *outlet) complainOnce(unavailable *UnavailableError, err error) {
	o.failing = o.failing && unavailable.Reason == o.reason && unavailable.Refused == o.refuses
	o.reason, o.refuses = unavailable.Reason, unavailable.Refused
	if unavailable.Refused {
		o.complain(err, "backend refuses to work; the newest points are kept until it does")
		return
	}
	o.complain(err, "backend is away; the newest points are kept until it is back")
}

func (o *outlet) try(ctx context.Context, points []Point) error {
	if len(points) == 0 {
		return o.backend.Flush(ctx)
	}
	return o.backend.Publish(ctx, points)
}

// pause waits, but not for long at the end of the daemon.
func (o *outlet) pause(ctx context.Context, d time.Duration) {
	over := time.NewTimer(d)
	defer over.Stop()
	for !o.queue.ending() {
		select {
		case <-over.C:
			return
		case <-o.queue.wake:
		}
	}
	select {
	case <-ctx.Done():
	case <-time.After(lastPause):
	}
}

// settle counts those of the last n points that will not be delivered, and returns err when that ends
// the daemon.
func (o *outlet) settle(err error, n int64) error {
	if err == nil {
		return nil
	}
	_, unavailable := errors.AsType[*UnavailableError](err)
	rejected, some := errors.AsType[*RejectedError](err)
	switch {
	case errors.Is(err, ErrClosed):
		o.queue.settleFailed(n)
		return err
	case unavailable: // and the time to exit is over
		o.queue.settleDropped(n)
	case some:
		o.queue.settleFailed(int64(rejected.Points))
		o.refused(rejected)
	default:
		o.queue.settleFailed(n)
		o.complain(err, "backend fails; its points are lost until it works again")
	}
	return nil
}

// refused logs what the server does not want, at most once a minute.
func (o *outlet) refused(rejected *RejectedError) {
	o.refusals += rejected.Points
	o.refusal = rejected
	if o.refusalTold.IsZero() || time.Since(o.refusalTold) >= time.Minute {
		o.tellRefusals()
	}
}

func (o *outlet) tellRefusals() {
	if o.refusals > 0 {
		o.log.Error().Err(o.refusal).Int("points", o.refusals).Msg("backend refuses points; those are lost")
		o.refusalTold, o.refusals = time.Now(), 0
	}
}

// fail is for an error of Close.
func (o *outlet) fail(err error) {
	if !errors.Is(err, ErrClosed) {
		o.complain(err, "backend fails; its points are lost until it works again")
	}
}

// complain logs err unless the backend was failing already.
func (o *outlet) complain(err error, message string) {
	if !o.failing {
		o.failing = true
		o.log.Error().Err(err).Msg(message)
	}
}

func (o *outlet) works() {
	if o.failing {
		o.failing = false
		o.log.Info().Msg("backend works again")
	}
}
