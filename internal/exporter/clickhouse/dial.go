package clickhouse

import (
	"context"
	"crypto/tls"
	"net"
)

// guard ends the connections of the native protocol with the request that they are made for. The
// library's own dialer does not end with the context, and neither does its waiting for the server's
// greeting.
type guard struct {
	tls     *tls.Config // nil is without
	request context.Context
	release []func() bool
}

// begin starts a request, and returns how to end it, after which its connections stay.
func (g *guard) begin(ctx context.Context) (end func()) {
	g.request = ctx
	return func() {
		for _, release := range g.release {
			release()
		}
		g.request, g.release = nil, nil
	}
}

// dial is called by the library, from the goroutine that makes the request.
func (g *guard) dial(ctx context.Context, addr string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: dialTimeout}
	dial := plain.DialContext
	if g.tls != nil {
		dial = (&tls.Dialer{NetDialer: plain, Config: g.tls}).DialContext
	}
	conn, err := dial(ctx, "tcp", addr)
	if err == nil && g.request != nil {
		g.release = append(g.release, context.AfterFunc(g.request, func() { _ = conn.Close() }))
	}
	return conn, err
}
