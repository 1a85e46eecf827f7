package exporter

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"
)

// flushEvery is how long a busy backend may hold points back.
const flushEvery = 100 * time.Millisecond

// outlet is one backend with its queue and the goroutine that takes from the one to the other.
type outlet struct {
	backend Backend
	queue   *queue
	log     zerolog.Logger
	final   chan<- error  // takes the first error that ends the daemon
	done    chan struct{} // closed when run has returned
	failing bool          // the last error was logged and nothing has worked since
	flushed time.Time     // last, or when the queue was last empty
}

func newOutlet(b Backend, limit int, log zerolog.Logger, final chan<- error) *outlet {
	return &outlet{
		backend: b, queue: newQueue(limit), final: final, done: make(chan struct{}),
		log: log.With().Str("backend", b.Name()).Logger(),
	}
}

// run serves the backend until the queue is closed and empty, or abandoned, or the backend is gone
// for good. ctx is for the backend: its end makes a backend give up, not run.
func (o *outlet) run(ctx context.Context) {
	defer close(o.done)
	err := o.serve(ctx)
	if err != nil {
		o.queue.abandon()
	}
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

// serve returns nil when the queue is closed and empty, or the error that ends the daemon.
func (o *outlet) serve(ctx context.Context) error {
	batch := make([]Point, 0, batchSize)
	for {
		points, more := o.queue.take(batch)
		if len(points) == 0 {
			if err := o.flush(ctx); err != nil || !more {
				return err
			}
			<-o.queue.wake
			o.flushed = time.Now()
			continue
		}
		if err := o.publish(ctx, points); err != nil {
			return err
		}
		if time.Since(o.flushed) >= flushEvery {
			if err := o.flush(ctx); err != nil {
				return err
			}
		}
	}
}

// publish returns only errors that end the daemon, like flush.
func (o *outlet) publish(ctx context.Context, points []Point) error {
	err := o.backend.Publish(ctx, points)
	if err == nil {
		return nil
	}
	o.queue.settleFailed(int64(len(points)))
	return o.fail(err)
}

func (o *outlet) flush(ctx context.Context) error {
	o.flushed = time.Now()
	unsettled := o.queue.unsettled()
	if unsettled == 0 {
		return nil
	}
	if err := o.backend.Flush(ctx); err != nil {
		o.queue.settleFailed(unsettled)
		return o.fail(err)
	}
	o.queue.settleSent()
	if o.failing {
		o.failing = false
		o.log.Info().Msg("backend works again")
	}
	return nil
}

// fail logs err unless the backend was failing already. It returns err when that ends the daemon.
func (o *outlet) fail(err error) error {
	if errors.Is(err, ErrClosed) {
		return err
	}
	if !o.failing {
		o.failing = true
		o.log.Error().Err(err).Msg("backend fails; its points are lost until it works again")
	}
	return nil
}
