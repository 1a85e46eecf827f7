package datadog

import (
	"bytes"
	"compress/zlib"
	"context"
	"fmt"
	"net/http"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

// unsent returns the seconds with points that were not delivered yet.
func (b *Backend) unsent() []item {
	var items []item
	for _, s := range b.all {
		for _, x := range s.seconds {
			if x.unsent > 0 {
				items = append(items, item{s, x})
			}
		}
	}
	return items
}

// deliverAll sends what was not delivered yet. Its error is nil or an UnavailableError; then what other
// requests delivered stays delivered.
func (b *Backend) deliverAll(ctx context.Context) error {
	for items := b.unsent(); len(items) > 0; {
		n, err := b.deliver(ctx, items)
		if err != nil {
			return err
		}
		items = items[n:]
	}
	return nil
}

// deliver sends one request with the first items, and returns how many they are. What is too large for
// one it sends in two.
func (b *Backend) deliver(ctx context.Context, items []item) (n int, err error) {
	raw, n := appendRequest(nil, items, b.enough)
	items = items[:n]
	body := deflate(raw)
	if (len(raw) > maxRaw || len(body) > maxDeflated) && n > 1 {
		return n, b.deliverHalves(ctx, items)
	}
	a, err := b.client.post(ctx, body)
	switch {
	case err != nil:
		return n, &exporter.UnavailableError{Err: err}
	case a.status/100 == 2:
		b.delivered += settle(items)
		return n, nil
	case a.status == http.StatusRequestEntityTooLarge && n > 1:
		return n, b.deliverHalves(ctx, items)
	case a.refused():
		return n, &exporter.UnavailableError{Err: fmt.Errorf("%w; look at api_key and site", a.err), Refused: true}
	case a.final():
		b.refuse(settle(items), a.err)
		return n, nil
	}
	return n, &exporter.UnavailableError{Err: a.err, After: a.after}
}

func (b *Backend) deliverHalves(ctx context.Context, items []item) error {
	for _, half := range [][]item{items[:len(items)/2], items[len(items)/2:]} {
		for len(half) > 0 {
			n, err := b.deliver(ctx, half)
			if err != nil {
				return err
			}
			half = half[n:]
		}
	}
	return nil
}

// settle marks seconds as sent, and returns how many points of theirs were not before.
func settle(items []item) (points int) {
	for _, it := range items {
		points += it.second.unsent
		it.second.unsent = 0
	}
	return points
}

// deflate makes what HTTP calls deflate: the zlib format (RFC 9110 section 8.4.1.2).
func deflate(raw []byte) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, err := w.Write(raw)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(fmt.Sprintf("deflate to memory: %v", err))
	}
	return out.Bytes()
}
