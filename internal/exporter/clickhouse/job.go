package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

// maxInserts bounds how many INSERTs may be spent on finding the rows of a job of n points that the server
// does not want. One such row among 100,000 takes 35; one in a hundred, 15 each.
func maxInserts(n int) int { return max(256, n/4) }

// span is the points from one index up to another.
type span struct{ from, to int }

// job is what is still to be done of the points of one Publish. It outlives a try that found the server
// away, since another one must insert what is left, and in the same spans.
type job struct {
	first, last exporter.Point
	points      int
	inserted    time.Time // as the rows have it
	left        []span    // to be inserted; the next one is the last
	inserts     int
	delivered   int
	refused     int
	reason      error // why they were refused, first or last
}

func newJob(points []exporter.Point, inserted time.Time) *job {
	n := len(points)
	return &job{
		first: points[0], last: points[n-1], points: n, inserted: inserted, left: []span{{0, n}},
	}
}

// isFor reports whether these are the points of the job.
func (j *job) isFor(points []exporter.Point) bool {
	n := len(points)
	return n == j.points && points[0] == j.first && points[n-1] == j.last
}

// insert inserts points, and returns how many of them it left out and why; or nothing is in the table, and
// the error is a rowError or an UnavailableError.
type insert func(ctx context.Context, points []exporter.Point, inserted time.Time) (leftOut int, why, err error)

// run inserts what is left. It returns an error if the server is away, and nil when all points are in the
// table or refused.
func (j *job) run(ctx context.Context, points []exporter.Point, insert insert) error {
	for len(j.left) > 0 {
		next := j.left[len(j.left)-1]
		leftOut, why, err := insert(ctx, points[next.from:next.to], j.inserted)
		row, rejected := errors.AsType[rowError](err)
		if err != nil && !rejected {
			return err
		}
		j.inserts++
		switch n := next.to - next.from; {
		case !rejected:
			j.done(next, leftOut, why)
		case n == 1:
			j.done(next, 1, row.error)
		case j.inserts >= maxInserts(j.points):
			j.done(next, n, fmt.Errorf("%w; too many are refused to look for each", row.error))
		default:
			j.halve(next)
		}
	}
	return nil
}

// done is for a span of which refused points are not in the table.
func (j *job) done(s span, refused int, why error) {
	j.left = j.left[:len(j.left)-1]
	j.delivered += s.to - s.from - refused
	j.refused += refused
	if why != nil {
		j.reason = why
	}
}

func (j *job) halve(s span) {
	middle := s.from + (s.to-s.from)/2
	j.left = append(j.left[:len(j.left)-1], span{middle, s.to}, span{s.from, middle})
}
