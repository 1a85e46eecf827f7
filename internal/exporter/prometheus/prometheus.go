// Package prometheus is the backend that serves all series, and the daemon's own counters, to a
// Prometheus server that scrapes them:
//
//	/metrics  see package families, and ownCounters
//	/healthz  200 as long as the daemon runs
//	/readyz   200 while it measures, else 503 and why
//
// A point counts as sent when it is in its histogram, whether or not anybody scrapes. A scrape runs in
// goroutines of its own and keeps a Publish waiting only while the series are listed.
package prometheus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/families"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
)

// Limits for clients, so that one that stalls, or many, do no harm.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 10 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = 2 * time.Minute // of a connection between two scrapes
	maxHeader      = 16 << 10        // octets
	maxConnections = 64
	maxScrapes     = 4 // at once
	closeTimeout   = time.Second
)

// Config is what the backend needs to know. The functions are called by each scrape, at any time from
// Start to the return of Close.
type Config struct {
	Listen   string // address and port
	Families families.Config
	Version  string
	Begun    func() bool             // whether the daemon has begun to measure, and was not told to end
	Trouble  func() error            // why it does not measure at present; nil: it does. Called only when it has begun
	Totals   func() selfstats.Totals // the same
	Counters func() exporter.Counters
}

// Backend is the endpoint.
type Backend struct {
	table    *families.Table
	registry *client.Registry
	listener net.Listener
	server   http.Server
	served   chan struct{} // closed when the server has ended; nil: it was not started
	closed   bool
}

// New opens the port. Nothing is read from it before Start.
func New(c Config) (*Backend, error) {
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("backend prometheus: %w", err)
	}
	b := &Backend{
		table:    families.NewTable(c.Families),
		registry: client.NewRegistry(),
		listener: netutil.LimitListener(listener, maxConnections),
	}
	b.registry.MustRegister(
		b.table, ownCounters{c, b.table}, buildInfo(c.Version),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	b.server = http.Server{
		Handler: b.handler(c), ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: log.New(io.Discard, "", 0), // of what clients do wrong; it would not look like our log
	}
	return b, nil
}

func (b *Backend) handler(c Config) http.Handler {
	metrics := promhttp.HandlerFor(b.registry, promhttp.HandlerOpts{
		// What is right is worth more than nothing; the errors have a counter.
		ErrorHandling: promhttp.ContinueOnError, Registry: b.registry,
		MaxRequestsInFlight: maxScrapes,
	})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.unready()) })
	return mux
}

// unready is why the daemon does not measure; nil: it does.
func (c Config) unready() error {
	if !c.Begun() {
		return errors.New("it has not begun, or was told to end")
	}
	return c.Trouble()
}

func answer(w http.ResponseWriter, trouble error) {
	if trouble != nil {
		http.Error(w, "not measuring: "+trouble.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// Addr is where it listens.
func (b *Backend) Addr() net.Addr { return b.listener.Addr() }

// Name is "prometheus".
func (b *Backend) Name() string { return "prometheus" }

// Start begins to serve.
func (b *Backend) Start() {
	b.served = make(chan struct{})
	go func() {
		defer close(b.served)
		_ = b.server.Serve(b.listener) // returns when it is shut down, or the port is gone for good
	}()
}

// Publish observes the points.
func (b *Backend) Publish(_ context.Context, points []exporter.Point) error {
	if b.closed {
		return exporter.ErrClosed
	}
	return b.table.Observe(points)
}

// Flush has nothing to do.
func (b *Backend) Flush(context.Context) error {
	if b.closed {
		return exporter.ErrClosed
	}
	return nil
}

// Close lets scrapes that are under way end, for a second, and closes the port.
func (b *Backend) Close(ctx context.Context) error {
	if b.closed {
		return nil
	}
	b.closed = true
	if b.served == nil {
		return b.listener.Close()
	}
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	err := b.server.Shutdown(ctx)
	if err != nil {
		err = b.server.Close()
	}
	<-b.served
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close %s: %w", b.Addr(), err)
	}
	return nil
}
