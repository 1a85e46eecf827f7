package datadog

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

// maxOctets bounds what all seconds together take.
const maxOctets = 64 << 20

// errClosed is why a point is refused whose second was sent and forgotten.
var errClosed = errors.New("points came so late that they would have replaced their second instead of joining it")

// Options says where to send to, and how.
type Options struct {
	Site               string        // of Datadog: the API is at api.SITE
	URL                string        // of the API, without /api/v2/series, instead of the site's
	APIKey             string        // never in an error
	Window             time.Duration // for how long points may join their second
	CAFile             string        // certificates that count instead of the system's; "" is those
	InsecureSkipVerify bool          // take any certificate
}

// Backend sends to Datadog. See the package for what it sends, and when again.
type Backend struct {
	client client
	window time.Duration
	limit  int // of octets that seconds take
	enough int // octets of a request, before it is deflated

	all        []*series // in the order in which they came
	byIdentity map[string]*series
	byPointer  map[*exporter.Series]*series // of this generation
	octets     int

	// A generation is a Window long, and longer while the server is away.
	generation uint32
	turned     time.Time

	delivered int   // points since the last error-free Flush
	refused   int   // points, not told yet
	refusal   error // the first reason of those
	closed    bool
}

// New makes a backend. It reads the file with certificates, and does not connect.
func New(o Options) (*Backend, error) {
	if o.URL == "" {
		o.URL = "https://api." + o.Site
	}
	transport, err := newTransport(o.CAFile, o.InsecureSkipVerify)
	if err != nil {
		return nil, fmt.Errorf("datadog: %w", err)
	}
	return newBackend(o, transport), nil
}

func newBackend(o Options, transport http.RoundTripper) *Backend {
	return &Backend{
		client: newClient(o.URL, o.APIKey, transport),
		window: o.Window, limit: maxOctets, enough: enough, turned: time.Now(),
		byIdentity: map[string]*series{}, byPointer: map[*exporter.Series]*series{},
	}
}

// Name is "datadog".
func (b *Backend) Name() string { return "datadog" }

// Publish sums points up. It sends only when there is no memory for more seconds.
func (b *Backend) Publish(ctx context.Context, points []exporter.Point) error {
	if b.closed {
		return exporter.ErrClosed
	}
	if err := b.makeRoom(ctx); err != nil {
		return err
	}
	late := 0
	for i := range points {
		if !b.add(&points[i]) {
			late++
		}
	}
	if late > 0 {
		b.refuse(late, errClosed)
	}
	return b.tellRefused()
}

// add returns false for a point of a closed second.
func (b *Backend) add(p *exporter.Point) bool {
	s := b.byPointer[p.Series]
	if s == nil {
		s = b.seriesOf(p.Series)
	}
	s.touched = b.generation
	x := s.secondOf(wholeSeconds(p.Time))
	if x == nil {
		return false
	}
	before := x.octets()
	if x.count == 0 {
		before = 0
	}
	x.touched = b.generation
	x.add(p.Value, s.loss)
	b.octets += x.octets() - before
	return true
}

func (b *Backend) seriesOf(of *exporter.Series) *series {
	identity := identityOf(of)
	s := b.byIdentity[identity]
	if s == nil {
		s = newSeries(of, identity)
		b.byIdentity[identity] = s
		b.all = append(b.all, s)
	}
	b.byPointer[of] = s
	return s
}

// wholeSeconds rounds down, also before 1970.
func wholeSeconds(nanos int64) int64 {
	at := nanos / 1e9
	if nanos%1e9 < 0 {
		at--
	}
	return at
}

// makeRoom sends, and closes seconds, when they take too much memory.
func (b *Backend) makeRoom(ctx context.Context) error {
	if b.octets <= b.limit {
		return nil
	}
	if err := b.deliverAll(ctx); err != nil {
		return err
	}
	for window := int64(b.window / time.Second); window > 0 && b.octets > b.limit/2; window /= 2 {
		b.closeSeconds(window)
	}
	if b.octets > b.limit/2 { // there are that many series
		b.closeSeconds(0)
	}
	return nil
}

// Flush sends each second that has points which were not sent.
func (b *Backend) Flush(ctx context.Context) error {
	if b.closed {
		return exporter.ErrClosed
	}
	if err := b.deliverAll(ctx); err != nil {
		return b.givenUp(ctx, err)
	}
	b.closeSeconds(int64(b.window / time.Second))
	if time.Since(b.turned) >= b.window {
		b.turn()
	}
	b.delivered = 0
	return b.tellRefused()
}

// givenUp turns the error of the last try of all into one that counts what was delivered nevertheless.
func (b *Backend) givenUp(ctx context.Context, err error) error {
	if ctx.Err() == nil || b.delivered == 0 {
		return err
	}
	for _, it := range b.unsent() {
		b.refuse(it.second.unsent, err)
	}
	b.refusal = fmt.Errorf("not delivered in time: %v", err) // not wrapped: it is not to be tried again
	return b.tellRefused()
}

// closeSeconds closes what was delivered and is so many seconds older than the newest of its series.
func (b *Backend) closeSeconds(window int64) {
	idle := func(touched uint32) bool { return b.generation-touched >= 2 }
	for _, s := range b.all {
		b.octets -= s.close(window, idle)
	}
}

// turn begins a generation, and forgets series that had no points in two.
func (b *Backend) turn() {
	b.generation++
	b.turned = time.Now()
	clear(b.byPointer) // the exporter's series come and go, also while ours stays
	b.all = slices.DeleteFunc(b.all, func(s *series) bool {
		s.turn()
		return len(s.seconds) == 0 && b.generation-s.touched >= 2
	})
	clear(b.byIdentity)
	for _, s := range b.all {
		b.byIdentity[s.identity] = s
	}
}

// Close sends what is left, unless ctx is done.
func (b *Backend) Close(ctx context.Context) error {
	if b.closed {
		return nil
	}
	b.closed = true
	defer b.client.close()
	if ctx.Err() != nil {
		return nil // what is left counts as dropped
	}
	if err := b.deliverAll(ctx); err != nil {
		return err
	}
	return b.tellRefused()
}

// refuse counts points that will never be delivered.
func (b *Backend) refuse(points int, why error) {
	if b.refused == 0 {
		b.refusal = why
	}
	b.refused += points
}

// tellRefused returns the error that counts the points refused since the last one.
func (b *Backend) tellRefused() error {
	if b.refused == 0 {
		return nil
	}
	err := &exporter.RejectedError{Err: b.refusal, Points: b.refused}
	b.refused, b.refusal = 0, nil
	return err
}
