// Package exporter carries samples from the measuring threads to the backends: it drains the rings,
// resolves session IDs to names, and fans out to backends, each with a bounded queue and a goroutine
// of its own.
//
//	ring ─┐                                        ┌─ queue ─ goroutine ─ Backend (cli)
//	ring ─┼─ exporter goroutine: pop, resolve, put ┼─ queue ─ goroutine ─ Backend (log)
//	ring ─┘           events ─ goroutine ─ log     └─ …
//
// Words, smallest to largest:
//
//   - record: one 64-byte measurement.Sample in a ring. It may come from another process through
//     shared memory, so nothing in it is trusted.
//   - series: the resolved names of one session and metric.
//   - point: one value of a series, at one time.
//   - queue: the points that wait for one backend. Bounded; full means that the oldest are dropped
//     and counted.
//
// Nothing here ever makes a measuring thread wait, and no backend makes the exporter or another
// backend wait. What can't be delivered is counted where it was given up: see Counters.
package exporter
