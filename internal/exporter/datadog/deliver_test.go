package datadog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// answers gives each request its answer of a list, and accepts those beyond it.
func answers(list ...func(w http.ResponseWriter)) func(n int, w http.ResponseWriter, _ []byte) bool {
	return func(n int, w http.ResponseWriter, _ []byte) bool {
		if n >= len(list) || list[n] == nil {
			return true
		}
		list[n](w)
		return false
	}
}

// says answers with a status, a body, and headers as pairs.
func says(status int, body string, headers ...string) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func hangsUp(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		err = conn.Close()
	}
	if err != nil {
		panic(err)
	}
}

func TestUnavailableServerIsTriedAgain(t *testing.T) {
	later := time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
	tests := []struct {
		name      string
		answer    func(w http.ResponseWriter)
		wantAfter time.Duration
		wantError string
	}{
		{"500", says(500, "oops"), 0, `500 Internal Server Error: oops`},
		{"503 with a time to wait", says(503, "", "Retry-After", "17"), 17 * time.Second, "503"},
		{"503 with a time to come again", says(503, "", "Retry-After", later), time.Minute, "503"},
		{"429 until its limit is reset", says(429, "slow down", "X-RateLimit-Reset", "8", "X-RateLimit-Limit", "5"), 8 * time.Second, "429"},
		{"429 with two times", says(429, "", "X-RateLimit-Reset", "8", "Retry-After", "3"), 8 * time.Second, "429"},
		{"an absurd time", says(429, "", "Retry-After", "99999999999"), longestAfter, "429"},
		{"nonsense for a time", says(429, "", "Retry-After", "soon", "X-RateLimit-Reset", "-1"), 0, "429"},
		{"408", says(408, ""), 0, "408"},
		{"a redirection", says(302, "", "Location", "http://127.0.0.1:1/"), 0, "302 Found"},
		{"a closed connection", hangsUp, 0, "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			s.answer = answers(tt.answer)
			b := s.open(t)
			publish(t, b, exportertest.Points(100)...)
			err := b.Flush(context.Background())
			unavailable, ok := errors.AsType[*exporter.UnavailableError](err)
			if !ok || !strings.Contains(err.Error(), tt.wantError) {
				t.Fatalf("Flush = %v, want an UnavailableError with %q", err, tt.wantError)
			}
			if off := (tt.wantAfter - unavailable.After).Abs(); off > 5*time.Second || (off != 0 && !strings.Contains(tt.name, "to come")) {
				t.Errorf("After = %v, want %v", unavailable.After, tt.wantAfter)
			}
			flush(t, b)
			if got := s.points(); got != 100 {
				t.Errorf("%d points arrived, want 100", got)
			}
		})
	}
}

func TestRefusedRequestIsLostAndTold(t *testing.T) {
	for _, status := range []int{400, 404, 413} {
		s := newServer(t)
		s.answer = answers(says(status, `{"errors":["Forbidden: `+testKey+"\x1b[2J"+strings.Repeat("x", 2000)+`"]}`))
		b := s.open(t)
		lost := exportertest.Series(measurement.UDPLoss, "a", "b", nil)
		publish(t, b, point(lost, at, 1, 1), point(lost, at, 2, 1))
		err := b.Flush(context.Background())
		rejected, ok := errors.AsType[*exporter.RejectedError](err)
		if !ok || rejected.Points != 2 {
			t.Fatalf("status %d: Flush = %v, want a RejectedError of 2 points", status, err)
		}
		said := err.Error()
		if !strings.Contains(said, fmt.Sprint(status)) || !strings.Contains(said, `: {"errors":["Forbidden: ******** [2Jxxx`) ||
			!strings.HasSuffix(said, `xxx…`) || len(said) > 300 {
			t.Errorf("status %d: Flush = %v, want the status and the body, cut", status, err)
		}
		if strings.Contains(said, testKey) {
			t.Errorf("status %d: Flush = %v, which has the API key", status, err)
		}
		publish(t, b, point(lost, at+1, 1, 1))
		flush(t, b)
		if got := s.sent(); got != 2 {
			t.Errorf("status %d: %d requests, want 2: what was refused is not sent again", status, got)
		}
	}
}

// A wrong key is no fault of the points, and Datadog may take it later.
func TestWrongKeyIsToldAndKeepsThePoints(t *testing.T) {
	for _, status := range []int{401, 403} {
		s := newServer(t)
		s.answer = answers(says(status, `{"errors":["Forbidden"]}`))
		b := s.open(t)
		publish(t, b, exportertest.Points(100)...)
		err := b.Flush(context.Background())
		unavailable, ok := errors.AsType[*exporter.UnavailableError](err)
		if !ok || !unavailable.Refused || !strings.HasSuffix(err.Error(), `: {"errors":["Forbidden"]}; look at api_key and site`) {
			t.Fatalf("status %d: Flush = %v, want an UnavailableError that says that it is refused and what to do", status, err)
		}
		flush(t, b)
		if got := s.points(); got != 100 {
			t.Errorf("status %d: %d points arrived, want 100", status, got)
		}
	}
}

// manySeconds makes points whose request is far over the limits: texts that can't be deflated.
func manySeconds(series, seconds int) (points []exporter.Point) {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range series {
		own := make([]string, 20)
		for j := range own {
			var tag strings.Builder
			for range 190 {
				tag.WriteByte(byte(' ' + random.IntN(94)))
			}
			own[j] = tag.String()
		}
		s := exportertest.Series(measurement.UDPRTT, "a", fmt.Sprint(i), own)
		for j := range seconds {
			points = append(points, point(s, at+int64(j), 0, random.Int64N(1e9)))
		}
	}
	return points
}

func TestRequestsKeepTheLimits(t *testing.T) {
	s := newServer(t)
	b := s.open(t)
	points := manySeconds(200, 5)
	publish(t, b, points...)
	flush(t, b)
	if got := s.points(); got != len(points) {
		t.Errorf("%d points arrived, want %d", got, len(points))
	}
	for i := range s.requests {
		if len(s.requests[i]) > 5242880 || s.sizes[i] > 512000 {
			t.Errorf("request %d has %d octets, %d deflated", i, len(s.requests[i]), s.sizes[i])
		}
	}
	t.Logf("%d requests", len(s.requests))
}

func TestTooLargeRequestIsSentInParts(t *testing.T) {
	s := newServer(t)
	s.answer = func(_ int, w http.ResponseWriter, body []byte) bool {
		if len(body) > 3000 {
			says(413, "too large")(w)
			return false
		}
		return true
	}
	b := s.open(t)
	points := make([]exporter.Point, 500)
	series := exportertest.Series(measurement.UDPRTT, "a", "b", nil)
	for i := range points {
		points[i] = point(series, at+int64(i/10), int64(i), 5)
	}
	publish(t, b, points...)
	flush(t, b)
	if got := s.points(); got != len(points) {
		t.Errorf("%d points arrived, want %d", got, len(points))
	}
}

// What arrived is not sent again after a later request failed, and what was refused is not either.
func TestOnlyWhatIsMissingIsSentAgain(t *testing.T) {
	s := newServer(t)
	s.answer = answers(nil, says(400, "no"), says(500, "later"))
	b := s.open(t)
	b.enough = 50_000
	points := manySeconds(20, 20) // several requests
	publish(t, b, points...)
	err := b.Flush(context.Background())
	if _, ok := errors.AsType[*exporter.UnavailableError](err); !ok {
		t.Fatalf("Flush = %v, want an UnavailableError", err)
	}
	before := s.points()
	if s.sent() != 3 || before == 0 {
		t.Fatalf("%d requests brought %d points, want 3 and some", s.sent(), before)
	}
	err = b.Flush(context.Background())
	rejected, ok := errors.AsType[*exporter.RejectedError](err)
	if !ok || s.points()+rejected.Points != len(points) {
		t.Fatalf("Flush = %v, and %d of %d points arrived, want a RejectedError of all others", err, s.points(), len(points))
	}
	seen := map[string]int{}
	for _, body := range s.requests[3:] {
		seen[string(body)]++
	}
	if seen[string(s.requests[0])] > 0 || seen[string(s.requests[1])] > 0 || seen[string(s.requests[2])] != 1 {
		t.Error("want the third request once again, and none of those before")
	}
	flush(t, b)
	if got, want := s.sent(), 3+len(seen); got != want {
		t.Errorf("%d requests, want %d: all was settled", got, want)
	}
}

func TestWhatArrivedBeforeTheEndCounts(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := newServer(t)
	s.answer = func(n int, w http.ResponseWriter, _ []byte) bool {
		if n == 1 {
			cancel()
			says(500, "down")(w)
			return false
		}
		return true
	}
	b := s.open(t)
	b.enough = 50_000
	points := manySeconds(20, 20)
	publish(t, b, points...)
	err := b.Flush(ctx)
	rejected, ok := errors.AsType[*exporter.RejectedError](err)
	if !ok || s.points() == 0 || s.points()+rejected.Points != len(points) {
		t.Errorf("Flush = %v, and %d of %d points arrived, want a RejectedError of the others", err, s.points(), len(points))
	}
	if err := b.Close(ctx); err != nil || s.sent() != 2 {
		t.Errorf("Close = %v, %d requests, want nil and no more", err, s.sent())
	}
}

func TestSlowServerIsLeftWhenTheContextIsDone(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := newServer(t)
	release := make(chan struct{})
	s.answer = func(int, http.ResponseWriter, []byte) bool {
		cancel()
		<-release
		return true
	}
	defer close(release) // before the server closes
	b := s.open(t)
	publish(t, b, exportertest.Points(3)...)
	if err := b.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush = %v, want it to be canceled", err)
	}
}
