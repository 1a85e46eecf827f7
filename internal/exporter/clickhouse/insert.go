package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

// insert inserts points as one block, which the server takes as a whole or not at all.
func (b *Backend) insert(ctx context.Context, points []exporter.Point, inserted time.Time) (leftOut int, why, err error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	defer b.guard.begin(ctx)()
	if err := b.prepare(ctx); err != nil {
		return 0, nil, b.failed(ctx, err)
	}
	fitting, why := b.fit(points)
	if len(fitting) > 0 {
		err = b.send(ctx, rows{fitting, inserted})
	}
	if err != nil {
		return 0, nil, b.failed(ctx, err)
	}
	return len(points) - len(fitting), why, nil
}

// limited is the context of an insert. A deadline would do, but the client makes of it a setting
// (max_execution_time), which the user may not be allowed to set.
func limited(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(requestTimeout, func() { cancel(errTimeout) })
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

// failed explains an error. After most of them the table may be another one.
func (b *Backend) failed(ctx context.Context, err error) error {
	if exception, ok := errors.AsType[*clickhouse.Exception](err); ok {
		gone := exception.Code == unknownTable || exception.Code == unknownDatabase
		b.created = b.created && !(gone && b.config.CreateTable)
	}
	explained := explain(ctx, err)
	if _, row := errors.AsType[rowError](explained); !row {
		b.target = nil
	}
	return explained
}

// prepare makes sure that the table is there and described.
func (b *Backend) prepare(ctx context.Context) error {
	if !b.created {
		for _, statement := range b.config.Statements() {
			if err := b.conn.Exec(ctx, statement); err != nil {
				return createError{err}
			}
		}
		b.created = true
	}
	if b.target != nil {
		return nil
	}
	there, err := b.describe(ctx)
	if err != nil {
		return err
	}
	b.target, err = newTarget(&b.config, there, &b.scratch)
	if err != nil {
		return tableError{err}
	}
	return nil
}

// describe asks for the columns of the table.
func (b *Backend) describe(ctx context.Context) ([]described, error) {
	answer, err := b.conn.Query(ctx, "DESCRIBE TABLE "+b.config.qualified(b.config.Table))
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	// Which columns follow the first three depends on the server.
	fields := make([]string, len(answer.Columns()))
	into := make([]any, len(fields))
	for i := range fields {
		into[i] = &fields[i]
	}
	if len(fields) < 3 {
		return nil, fmt.Errorf("description of the table has %d columns, want name, type and default type", len(fields))
	}
	var there []described
	for answer.Next() {
		if err := answer.Scan(into...); err != nil {
			return nil, err
		}
		computed := fields[2] == "MATERIALIZED" || fields[2] == "ALIAS"
		there = append(there, described{name: fields[0], typ: fields[1], computed: computed})
	}
	return there, answer.Err()
}

// fit returns those of the points that can be in the table, and why another one can't.
func (b *Backend) fit(points []exporter.Point) (fitting []exporter.Point, why error) {
	if len(b.target.checks) == 0 {
		return points, nil
	}
	fitting = b.fitting[:0]
	for _, p := range points {
		if err := b.target.check(p); err != nil {
			why = err
			continue
		}
		fitting = append(fitting, p)
	}
	b.fitting = fitting
	return fitting, why
}

func (b *Backend) send(ctx context.Context, r rows) error {
	options := []clickhouse.QueryOption{clickhouse.WithColumnNamesAndTypes(b.target.columns)}
	if b.config.AsyncInsert {
		options = append(options, clickhouse.WithAsync(true))
	}
	batch, err := b.conn.PrepareBatch(clickhouse.Context(ctx, options...), b.target.statement)
	if err != nil {
		return err
	}
	if err := b.fill(batch, r); err != nil {
		_ = batch.Abort() // closes the connection, which may be in the middle of an INSERT
		return rowError{err}
	}
	return batch.Send()
}

func (b *Backend) fill(batch driver.Batch, r rows) error {
	columns := batch.Columns()
	if len(columns) != len(b.target.writers) {
		return fmt.Errorf("the server wants %d columns of %d", len(columns), len(b.target.writers))
	}
	for i, write := range b.target.writers {
		if err := write(columns[i], r); err != nil {
			return fmt.Errorf("column %s: %w", b.target.columns[i].Name, err)
		}
	}
	return nil
}
