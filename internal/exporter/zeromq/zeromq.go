// Package zeromq is the backend that publishes each sample as a message of a ZeroMQ PUB socket: the cli's
// line of JSON, without the line's end. Who wants samples connects a SUB socket and subscribes, to all by
// an empty prefix.
//
// It is at most once, as ZeroMQ has it: a message is for those that are subscribed when it is published,
// and a subscriber that is slower than the samples loses what goes beyond its high-water mark.
package zeromq

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/pkg/zmtp"
)

// Backend publishes messages.
type Backend struct {
	pub     *zmtp.PUB
	message []byte
	closed  bool
}

// New opens a socket, on which hwm messages wait for each subscriber at most. The addresses 0.0.0.0 and ::
// stand for all of their family.
func New(local netip.AddrPort, hwm int) (*Backend, error) {
	network := "tcp4"
	if local.Addr().Is6() {
		network = "tcp6"
	}
	l, err := net.Listen(network, local.String())
	if err != nil {
		return nil, err
	}
	pub, err := zmtp.Serve(l, zmtp.Options{HWM: hwm})
	if err != nil {
		return nil, err
	}
	return &Backend{pub: pub}, nil
}

// Name is "zeromq".
func (b *Backend) Name() string { return "zeromq" }

// Addr is where subscribers connect to.
func (b *Backend) Addr() net.Addr { return b.pub.Addr() }

// Publish hands a message per point to the subscribers there are. It waits for none of them.
func (b *Backend) Publish(_ context.Context, points []exporter.Point) error {
	if b.closed {
		return exporter.ErrClosed
	}
	for i := range points {
		b.message = points[i].AppendJSON(b.message[:0])
		if err := b.pub.Send(b.message); err != nil {
			return err
		}
	}
	return nil
}

// Flush has nothing to do: the socket writes as fast as its subscribers read.
func (b *Backend) Flush(context.Context) error {
	if b.closed {
		return exporter.ErrClosed
	}
	return nil
}

// Close ends the socket when the subscribers have what is queued for them, or ctx is done.
func (b *Backend) Close(ctx context.Context) error {
	b.closed = true
	if err := b.pub.Close(ctx); err != nil {
		return fmt.Errorf("subscribers that do not read: %w", err)
	}
	return nil
}

// Counters tells what became of messages behind the socket; see zmtp.Stats.
func (b *Backend) Counters() []exporter.Counter {
	s := b.pub.Stats()
	return []exporter.Counter{
		{Name: "subscribers", Value: uint64(s.Subscribers)},
		{Name: "unmatched", Value: s.Unmatched},
		{Name: "slow_dropped", Value: s.Dropped + s.Abandoned},
		{Name: "expelled", Value: s.Expelled},
		{Name: "refused", Value: s.Refused + s.Failed},
	}
}
