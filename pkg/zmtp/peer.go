package zmtp

import (
	"net"
	"sync/atomic"
)

// peer is a connection that was accepted. Its goroutine is PUB.serve.
type peer struct {
	conn  net.Conn
	cause atomic.Pointer[error]
}

// end closes the connection, which wakes whoever reads or writes. The first caller's reason stays: the
// errors that follow from the closing are of no interest. nil means that all is in order.
func (c *peer) end(reason error) {
	if c.cause.CompareAndSwap(nil, &reason) {
		_ = c.conn.Close()
	}
}

// reason returns why the connection ended, after it did.
func (c *peer) reason() error { return *c.cause.Load() }

// closeWrite tells the peer that nothing more comes, and leaves the other direction open if the
// connection can do that.
func (c *peer) closeWrite() error {
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	c.end(nil)
	return nil
}
