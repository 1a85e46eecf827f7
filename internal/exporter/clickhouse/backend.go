package clickhouse

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

// Backend inserts points into a table.
type Backend struct {
	config   Config
	conn     driver.Conn // a pool of connections, which are made when there is something to do
	guard    guard
	created  bool    // the table, or there was nothing to create
	target   *target // nil when the table has to be described anew
	scratch  scratch
	fitting  []exporter.Point // those of a span that fit into the table
	job      *job             // that is not done, if there is one
	inserted time.Time        // of the last job
	closed   bool
}

// New makes a backend. It does not talk to the server, which may be away. Errors are the
// configuration's.
func New(c Config) (*Backend, error) {
	if database, table, both := strings.Cut(c.Table, "."); both {
		c.Database, c.Table = database, table
	}
	options, err := c.options()
	if err != nil {
		return nil, err
	}
	b := &Backend{config: c, created: !c.CreateTable, guard: guard{tls: options.TLS}}
	if c.Protocol == Native {
		options.DialContext = b.guard.dial
	}
	if b.conn, err = clickhouse.Open(options); err != nil {
		return nil, err
	}
	return b, nil
}

// Name is "clickhouse".
func (b *Backend) Name() string { return "clickhouse" }

// Publish inserts the points. Those of the last Publish that were not delivered must come again.
func (b *Backend) Publish(ctx context.Context, points []exporter.Point) error {
	if b.closed {
		return exporter.ErrClosed
	}
	if b.job == nil || !b.job.isFor(points) {
		b.job = newJob(points, b.now())
	}
	j := b.job
	if err := j.run(ctx, points, b.insert); err != nil {
		if j.delivered+j.refused == 0 || ctx.Err() == nil {
			return err
		}
		// There is no other try, and some are in the table.
		b.job = nil
		return &exporter.RejectedError{Err: err, Points: len(points) - j.delivered}
	}
	b.job = nil
	if j.refused > 0 {
		return &exporter.RejectedError{Err: j.reason, Points: j.refused}
	}
	return nil
}

// now is the time of a new job, in the microseconds that the table has. No two jobs have the same, or
// one with equal points, as a run of lost probes has them, could be taken for the other.
func (b *Backend) now() time.Time {
	now := time.Now().UTC().Truncate(time.Microsecond)
	if !now.After(b.inserted) {
		now = b.inserted.Add(time.Microsecond)
	}
	b.inserted = now
	return now
}

// Flush has nothing to do: what was published is in the table.
func (b *Backend) Flush(context.Context) error {
	if b.closed {
		return exporter.ErrClosed
	}
	return nil
}

// Close closes the connections.
func (b *Backend) Close(context.Context) error {
	if b.closed {
		return nil
	}
	b.closed = true
	if err := b.conn.Close(); err != nil {
		return fmt.Errorf("close connections: %w", err)
	}
	return nil
}
