package clickhouse

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

// table is a fake of a server's table.
type table struct {
	refuses func(exporter.Point) bool
	away    bool
	rows    []exporter.Point
	inserts int
	spans   [][]exporter.Point // of all tries
}

var errAway = errors.New("away")

func (s *table) insert(_ context.Context, points []exporter.Point, _ time.Time) (int, error, error) {
	s.inserts++
	s.spans = append(s.spans, slices.Clone(points))
	if s.away {
		return 0, nil, errAway
	}
	if slices.ContainsFunc(points, s.refuses) {
		return 0, nil, rowError{errors.New("refused")}
	}
	s.rows = append(s.rows, points...)
	return 0, nil, nil
}

func numbered(n int) []exporter.Point {
	points := make([]exporter.Point, n)
	for i := range points {
		points[i].Value = int64(i)
	}
	return points
}

func TestRefusedRowsDoNotTakeOthersWithThem(t *testing.T) {
	for _, test := range []struct {
		name       string
		points     int
		bad        []int64
		maxInserts int
	}{
		{"none", 100_000, nil, 1},
		{"one of many", 100_000, []int64{54_321}, 36},
		{"the first and the last", 1000, []int64{0, 999}, 41},
		{"seven", 50_000, []int64{1, 2, 3, 20_000, 30_000, 40_000, 49_999}, 200},
		{"the only one", 1, []int64{0}, 1},
		{"all of a few", 10, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 19},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &table{refuses: func(p exporter.Point) bool { return slices.Contains(test.bad, p.Value) }}
			points := numbered(test.points)
			j := newJob(points, time.Now())
			if err := j.run(t.Context(), points, s.insert); err != nil {
				t.Fatal(err)
			}
			want := slices.DeleteFunc(slices.Clone(points), s.refuses)
			if !slices.Equal(s.rows, want) {
				t.Errorf("%d rows arrived, want all %d but the bad ones, in order", len(s.rows), len(want))
			}
			if j.refused != len(test.bad) || j.delivered != len(want) || s.inserts > test.maxInserts {
				t.Errorf("refused %d, delivered %d, %d inserts; want %d, %d, at most %d",
					j.refused, j.delivered, s.inserts, len(test.bad), len(want), test.maxInserts)
			}
		})
	}
}

func TestOneRefusedRowInAHundredTakesNoOther(t *testing.T) {
	s := &table{refuses: func(p exporter.Point) bool { return p.Value%100 == 50 }}
	points := numbered(20_000)
	j := newJob(points, time.Now())
	if err := j.run(t.Context(), points, s.insert); err != nil {
		t.Fatal(err)
	}
	if j.refused != 200 || j.delivered != 19_800 || len(s.rows) != 19_800 {
		t.Errorf("refused %d, delivered %d, %d rows, want 200 refused", j.refused, j.delivered, len(s.rows))
	}
}

func TestSearchForRefusedRowsIsBounded(t *testing.T) {
	s := &table{refuses: func(p exporter.Point) bool { return p.Value%2 == 0 }}
	points := numbered(100_000)
	j := newJob(points, time.Now())
	if err := j.run(t.Context(), points, s.insert); err != nil {
		t.Fatal(err)
	}
	if s.inserts > maxInserts(len(points))+20 || j.delivered != len(s.rows) || j.delivered+j.refused != len(points) {
		t.Errorf("%d inserts, delivered %d, refused %d, %d rows", s.inserts, j.delivered, j.refused, len(s.rows))
	}
}

// What is tried again after an outage must be what was tried before, so that the server can tell.
func TestOutageDuringTheSearchLosesAndRepeatsNothing(t *testing.T) {
	s := &table{refuses: func(p exporter.Point) bool { return p.Value == 700 }}
	points := numbered(1000)
	j := newJob(points, time.Now())
	away := func(ctx context.Context, points []exporter.Point, at time.Time) (int, error, error) {
		s.away = s.inserts%3 == 2
		return s.insert(ctx, points, at)
	}
	var outages int
	for {
		err := j.run(t.Context(), points, away)
		if err == nil {
			break
		}
		if outages++; !errors.Is(err, errAway) || outages > 100 {
			t.Fatalf("error %v after %d outages", err, outages)
		}
		if !j.isFor(points) {
			t.Fatal("the job is not for its points")
		}
		if before := s.spans[len(s.spans)-1]; !slices.Equal(before, points[j.left[len(j.left)-1].from:j.left[len(j.left)-1].to]) {
			t.Fatal("another span is tried after the outage than before")
		}
	}
	if len(s.rows) != 999 || j.refused != 1 || outages < 5 {
		t.Errorf("%d rows, %d refused, %d outages; want 999, 1, some", len(s.rows), j.refused, outages)
	}
}

func TestJobIsOnlyForItsPoints(t *testing.T) {
	points := numbered(10)
	j := newJob(points, time.Now())
	if !j.isFor(slices.Clone(points)) || j.isFor(points[:9]) || j.isFor(numbered(11)[1:]) {
		t.Error("a job is for other points, or not for its own")
	}
}
