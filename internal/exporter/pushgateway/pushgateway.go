// Package pushgateway is the backend that pushes all series to a Prometheus Pushgateway, for hosts that
// Prometheus can't scrape: the histograms and counters of package families, and gauges of the points
// since the last push.
//
// Each Flush replaces what the gateway has of this job and instance. While the gateway is away, points
// are summed up and the interval gets longer; so they are while it refuses the login. When it refuses a push
// for anything else, all that is summed up is given up, so that what counts as failed does not arrive later;
// counters and histograms begin anew.
package pushgateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/families"
)

const (
	// pushTimeout bounds one push: while it waits, points pile up in the queue.
	pushTimeout = 5 * time.Second
	maxBody     = 4 << 10 // octets of an answer that are read
)

// Grouping are the labels by which a gateway tells those who push apart. No tag may have their names.
var Grouping = []string{"job", instanceLabel}

const instanceLabel = "instance"

// Config is what the backend needs to know.
type Config struct {
	Gateway            string // host:port, or a URL
	Job, Instance      string // by which the gateway groups
	Username, Password string // "": no authentication
	CAFile             string // of certificates that sign the gateway's; "": the system's
	InsecureSkipVerify bool   // whatever its certificate is
	DeleteOnExit       bool
	Families           families.Config
}

// Backend pushes.
type Backend struct {
	config Config
	table  families.Intervals
	pusher *push.Pusher
	client doer
	pushed bool // something, ever
	closed bool
}

// New reads the certificates. It does not look whether the gateway is there.
func New(c Config) (*Backend, error) {
	c.Families.Intervals = true
	c.Families.Reserved = Grouping
	b := &Backend{config: c, table: families.Intervals{Table: families.NewTable(c.Families)}}
	transport, err := newTransport(c)
	if err != nil {
		return nil, fmt.Errorf("backend pushgateway: %w", err)
	}
	b.client.Client.Transport = transport
	// A redirected PUT becomes a GET, whose answer says nothing, and takes the password along.
	b.client.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	registry := client.NewRegistry()
	registry.MustRegister(b.table)
	b.pusher = push.New(c.Gateway, c.Job).Grouping(instanceLabel, c.Instance).Gatherer(registry).Client(&b.client)
	if c.Username != "" || c.Password != "" {
		b.pusher.BasicAuth(c.Username, c.Password)
	}
	return b, nil
}

func newTransport(c Config) (*http.Transport, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: c.InsecureSkipVerify}
	if c.CAFile == "" {
		return transport, nil
	}
	certificates, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(certificates) {
		return nil, fmt.Errorf("ca_file %s: has no certificate in PEM", c.CAFile)
	}
	return transport, nil
}

// Name is "pushgateway".
func (b *Backend) Name() string { return "pushgateway" }

// Publish sums up the points.
func (b *Backend) Publish(_ context.Context, points []exporter.Point) error {
	if b.closed {
		return exporter.ErrClosed
	}
	return b.table.Observe(points)
}

// Flush pushes.
func (b *Backend) Flush(ctx context.Context) error {
	if b.closed {
		return exporter.ErrClosed
	}
	sets, _, _ := b.table.Size()
	if sets == 0 && !b.pushed {
		return nil
	}
	if err := b.push(ctx); err != nil {
		return err
	}
	b.pushed = true
	b.table.Next()
	return nil
}

func (b *Backend) push(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	err := b.client.with(ctx, b.pusher.Push)
	if err == nil {
		return nil
	}
	if _, away := errors.AsType[*exporter.UnavailableError](err); !away {
		b.table.Forget()
	}
	return err
}

// Close pushes what is left, and deletes what was pushed if it should.
func (b *Backend) Close(ctx context.Context) error {
	if b.closed {
		return nil
	}
	var err error
	if b.table.Unsent() {
		err = b.Flush(ctx)
	}
	b.closed = true
	if b.config.DeleteOnExit && b.pushed {
		ctx, cancel := context.WithTimeout(ctx, pushTimeout)
		defer cancel()
		err = errors.Join(err, b.client.with(ctx, b.pusher.Delete))
	}
	b.client.CloseIdleConnections()
	return err
}

// doer makes the requests of a Pusher, and keeps what the Pusher's error does not tell.
type doer struct {
	http.Client
	ctx context.Context
	err error
}

// with calls a method of a Pusher. The error is an UnavailableError when a later call may succeed.
func (d *doer) with(ctx context.Context, method func() error) error {
	d.ctx, d.err = ctx, nil
	err := method()
	if d.err != nil {
		return d.err
	}
	return err
}

// Do makes a request. It returns no answer but a good one.
func (d *doer) Do(r *http.Request) (*http.Response, error) {
	resp, err := d.Client.Do(r.WithContext(d.ctx))
	switch {
	case err != nil:
		d.err = &exporter.UnavailableError{Err: err, Summed: true}
	case resp.StatusCode >= 300:
		d.err = refusal(r, resp)
	default:
		return resp, nil
	}
	return nil, d.err
}

// refusal tells why a gateway does not want what it got.
func refusal(r *http.Request, resp *http.Response) error {
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // as much as there is
	err := exporter.Answered(r, resp.Status, string(body))
	switch {
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return &exporter.UnavailableError{Err: fmt.Errorf("%w; look at username and password", err), Refused: true, Summed: true}
	case resp.StatusCode >= 500, resp.StatusCode < 400, resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return &exporter.UnavailableError{Err: err, After: time.Duration(min(max(seconds, 0), 3600)) * time.Second, Summed: true}
	}
	return err
}
