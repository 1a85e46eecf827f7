package exporter

import "context"

// Drain is one poll of all rings, in the caller's goroutine instead of Run's.
func (e *Exporter) Drain() { e.drain() }

// Deliver publishes and flushes what is queued, in the caller's goroutine instead of the backends'.
func (e *Exporter) Deliver(ctx context.Context) {
	batch := make([]Point, 0, batchSize)
	for _, o := range e.outlets {
		for points, _ := o.queue.take(batch); len(points) > 0; points, _ = o.queue.take(batch) {
			if o.publish(ctx, points) != nil {
				return
			}
		}
		if o.flush(ctx) != nil {
			return
		}
	}
}
