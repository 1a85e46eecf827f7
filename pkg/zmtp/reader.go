package zmtp

import "net"

// reader reads from a peer into a buffer that grows with what really comes, up to one frame.
type reader struct {
	conn net.Conn
	buf  []byte // its length is its capacity
	// What was read and not yet used is buf[start:end].
	start, end int
}

// The first size of the buffer holds a greeting and libzmq's READY.
const (
	firstBuffer = 128
	maxBuffer   = longHeader + MaxFrame
)

func newReader(conn net.Conn) *reader {
	return &reader{conn: conn, buf: make([]byte, firstBuffer)}
}

// unread returns what was read and not yet used.
func (r *reader) unread() []byte { return r.buf[r.start:r.end] }

// fill reads once. What frame returned before is no longer valid. There must be room: not more than
// maxBuffer-1 octets unread, which is so when frame has found no frame.
func (r *reader) fill() error {
	if r.start > 0 {
		r.end = copy(r.buf, r.unread())
		r.start = 0
	}
	if r.end == len(r.buf) {
		grown := make([]byte, min(2*len(r.buf), maxBuffer))
		copy(grown, r.buf)
		r.buf = grown
	}
	n, err := r.conn.Read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil // an error comes again with the next read
	}
	return err
}

// need reads until at least n octets, not more than firstBuffer, are unread.
func (r *reader) need(n int) error {
	for r.end-r.start < n {
		if err := r.fill(); err != nil {
			return err
		}
	}
	return nil
}

// next returns the next frame of those that were read, or false if there is no whole one.
func (r *reader) next() (frame, bool, error) {
	f, n, err := parseFrame(r.unread())
	r.start += n
	return f, n > 0, err
}

// frame reads until there is a frame, and returns it.
func (r *reader) frame() (frame, error) {
	for {
		f, ok, err := r.next()
		if ok || err != nil {
			return f, err
		}
		if err := r.fill(); err != nil {
			return frame{}, err
		}
	}
}
