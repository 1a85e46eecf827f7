package datadog

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
)

const testKey = "0123456789abcdef0123456789abcdef"

// server is like Datadog's: of each second of a series it keeps the last value.
type server struct {
	http *httptest.Server
	// answer says what becomes of the n-th request, from 0; nil accepts all. It returns false if the
	// request was answered, and is not to be kept.
	answer func(n int, w http.ResponseWriter, body []byte) (accept bool)

	mu       sync.Mutex
	requests [][]byte // inflated, also those that were not accepted
	sizes    []int    // deflated
	values   map[place]float64
	kinds    map[string]int // by metric
}

type place struct {
	metric, tags string
	at           int64
}

type payload struct {
	Series []struct {
		Metric   string
		Type     int
		Interval int
		Points   []struct {
			Timestamp int64
			Value     float64
		}
		Tags []string
	}
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{values: map[place]float64{}, kinds: map[string]int{}}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.http.Close)
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	if status, body := s.receive(w, r); status != 0 {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// receive returns the answer, 0 if it was given.
func (s *server) receive(w http.ResponseWriter, r *http.Request) (status int, answer string) {
	if r.Method != http.MethodPost || r.URL.Path != path || r.Header.Get("DD-API-KEY") != testKey ||
		r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Content-Encoding") != "deflate" {
		return http.StatusTeapot, "not as it must be"
	}
	deflated, err := io.ReadAll(r.Body)
	if err != nil {
		return http.StatusBadRequest, err.Error()
	}
	raw, err := inflate(deflated)
	if err != nil {
		return http.StatusBadRequest, err.Error()
	}
	n := s.remember(raw, len(deflated))
	if s.answer != nil && !s.answer(n, w, raw) {
		return 0, ""
	}
	if err := s.keep(raw); err != nil {
		return http.StatusBadRequest, err.Error()
	}
	return http.StatusAccepted, `{"errors":[]}`
}

func inflate(deflated []byte) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(deflated))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func (s *server) remember(raw []byte, size int) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, raw)
	s.sizes = append(s.sizes, size)
	return len(s.requests) - 1
}

func (s *server) keep(raw []byte) error {
	var p payload
	if err := json.Unmarshal(raw, &p); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, series := range p.Series {
		s.kinds[series.Metric] = series.Type
		for _, point := range series.Points {
			s.values[place{series.Metric, strings.Join(series.Tags, "|"), point.Timestamp}] = point.Value
		}
	}
	return nil
}

// received gives how many points of each series there are, by the .count of delays and by losses.
func (s *server) received() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[string]int{}
	for at, value := range s.values {
		if s.kinds[at.metric] == 1 {
			counts[strings.TrimSuffix(at.metric, ".count")+" "+at.tags] += int(value)
		}
	}
	return counts
}

// points is how many there are.
func (s *server) points() (sum int) {
	for _, n := range s.received() {
		sum += n
	}
	return sum
}

// sent returns how many requests there were.
func (s *server) sent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// value is what the server has; ok is false if that is nothing.
func (s *server) value(metric, tags string, at int64) (value float64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok = s.values[place{metric, tags, at}]
	return value, ok
}

// open makes a backend that sends to the server.
func (s *server) open(t *testing.T) *Backend {
	t.Helper()
	b, err := New(Options{URL: s.http.URL, APIKey: testKey, Window: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConformance(t *testing.T) {
	exportertest.RunSums(t, func(t *testing.T) exportertest.Summing {
		s := newServer(t)
		return exportertest.Summing{Backend: s.open(t), Received: s.received}
	})
}
