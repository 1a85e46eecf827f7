package loop

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

const (
	maxReady  = 128
	wholeRead = 64 // packets in one read when there is time
	shortRead = 8  // when a slot is near
	// nearSlot is about what a whole read costs, system call and handling included.
	nearSlot = 200 * time.Microsecond
)

// Token is what a handler chose for a socket, to know it again when it is ready.
type Token uint64

// Ready says that a socket can be used. A socket stays ready until it was read empty.
type Ready struct {
	Token  Token
	Read   bool // data, a connection, an end or an error is there to be read
	Write  bool // a stream has room, or its handshake is over
	Notice bool // news about packets sent earlier
}

// Network opens sockets that report to one loop. Only that loop's handler may call it.
type Network interface {
	ListenUDP(local netip.AddrPort, o packetio.Options, t Token) (packetio.Conn, packetio.Missing, error)
	ListenTCP(local netip.AddrPort, t Token) (packetio.Listener, error)
	// Accept takes a connection from l, which came from ListenTCP; packetio.ErrWouldBlock: none waits.
	Accept(l packetio.Listener, t Token) (packetio.Stream, error)
	// Dial starts connecting, with the marks on all packets from the first one on; Ready.Write reports
	// that the handshake is over, one way or the other.
	Dial(to netip.AddrPort, marks packetio.Marking, t Token) (packetio.Stream, error)
	// Canonical spells an address as received packets do (the zone of a link-local one).
	Canonical(addr netip.AddrPort) netip.AddrPort
}

// Poller waits for the sockets of its Network.
type Poller interface {
	Network
	// Wait blocks until a socket is ready, until the time comes, or until Wake, and returns how many
	// places of ready it filled.
	Wait(until clock.Mono, ready []Ready) (int, error)
	// Sleep blocks until the time comes, or a little less, whatever happens to the sockets and whoever
	// calls Wake. It is for waits of up to Handler.Patience.
	Sleep(until clock.Mono)
	// Wake ends a Wait from any goroutine, the present one or the next.
	Wake()
	Close() error
}

// Handler does the measuring. All calls come from the loop's thread.
type Handler interface {
	// Due does what is due at now and returns when there is something due next. A time that is not after now asks
	// for what has come to be read first: Due is called again behind that. A time that is over when Due returns, again
	// and again, says that there is more to do than there is time for: then half of it is for reading.
	Due(now clock.Mono) clock.Mono
	// Patience is how long packets may wait to be read, if a slot is due by then: one wake-up of the thread
	// is then enough for both. 0 = not at all.
	Patience() time.Duration
	// Ready reads a ready socket once, at most limit packets of it.
	Ready(r Ready, limit int)
	// Command changes what is measured.
	Command(c Command)
	// Drained reports whether, after Drain, no probe is waited for any more.
	Drained() bool
	// Close closes all sockets. Nothing is called after it.
	Close()
}

// Verb is what a Command asks for.
type Verb uint8

// Verbs.
const (
	Add    Verb = iota + 1 // start probing Session
	Remove                 // stop probing Session.ID
	Drain                  // stop probing altogether; wait for the replies to come
	Stop                   // close and end
)

// Command is one order to a loop; together with measurement.Session, plain data.
type Command struct {
	Verb    Verb
	Session measurement.Session
	// Since is from when on the slots of an added session count; those that are over by now are
	// skipped, as any that are missed. 0 = from now on.
	Since clock.Mono
}

// Loop runs one handler on one poller.
type Loop struct {
	poller  Poller
	handler Handler
	spin    time.Duration
	ready   [maxReady]Ready
	behind  bool // slots were over when those before them had been served

	sent     atomic.Bool // commands is not empty
	mu       sync.Mutex  // taken by the loop only when sent is set
	commands []Command
	ended    bool
	drained  chan struct{}
	settled  sync.Once // closes drained
	draining bool
}

// New makes a loop. For spin before each slot it does not sleep but looks at the clock.
func New(p Poller, h Handler, spin time.Duration) *Loop {
	return &Loop{poller: p, handler: h, spin: spin, drained: make(chan struct{})}
}

// Send passes a command to the loop. It may be called from any goroutine, does not wait, and does
// nothing once the loop has ended.
func (l *Loop) Send(c Command) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.commands = append(l.commands, c)
	l.sent.Store(true)
	l.poller.Wake()
}

// Drained is closed once all probes sent before a Drain are settled.
func (l *Loop) Drained() <-chan struct{} { return l.drained }

// Run loops until Stop. The caller has locked the thread if that matters. An error is one of the
// poller's and means that nothing more can be measured.
func (l *Loop) Run() error {
	defer l.end()
	for {
		began := clock.MonoNow()
		next := l.handler.Due(began)
		if reading := l.reading(began, next); reading > 0 {
			if err := l.readFor(reading); err != nil {
				return err
			}
			if _, stop := l.obey(); stop {
				return nil
			}
			continue
		}
		until, rest := next.Add(-l.spin), false
		if next.Sub(began) <= l.handler.Patience() {
			until, rest = began, true // read all that has come so far, and what comes then with the next slot
		}
		n, err := l.poller.Wait(until, l.ready[:])
		if err != nil {
			return err
		}
		l.read(l.ready[:n], next)
		obeyed, stop := l.obey()
		if stop {
			return nil
		}
		if n > 0 || obeyed {
			continue
		}
		if rest {
			l.poller.Sleep(next.Add(-l.spin))
		}
		l.spinUntil(next)
	}
}

// Close closes the sockets of a loop that is not going to be Run. Stop ends one that runs.
func (l *Loop) Close() { l.end() }

// end closes everything, the poller last and under the lock, since Send may want to wake it.
func (l *Loop) end() {
	l.handler.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.poller.Close()
}

// read reads what is ready once, slots first: the next is due at next.
func (l *Loop) read(ready []Ready, next clock.Mono) {
	for _, r := range ready {
		now := clock.MonoNow()
		if now >= next {
			if next = l.handler.Due(now); next <= now {
				next = now.Add(2 * nearSlot) // what has come is to be read first
			}
		}
		limit := wholeRead
		if next.Sub(now) < nearSlot {
			limit = shortRead
		}
		l.handler.Ready(r, limit)
	}
}

// reading is how long reading goes before slots, after a Due that began then and told next. That is, if it asked for
// it, long enough for all that waits usually. If the next slot was over when it returned, twice in succession, it is as
// long as Due took: replies would wait until the kernel drops them.
func (l *Loop) reading(began, next clock.Mono) time.Duration {
	if next <= began {
		return 2 * nearSlot
	}
	took := clock.MonoNow().Sub(began)
	wasBehind := l.behind
	l.behind = next.Sub(began) <= took
	if l.behind && wasBehind {
		return took
	}
	return 0
}

// readFor reads what has come, slots or not, for a while or until there is no more: of each socket that is ready
// something.
func (l *Loop) readFor(while time.Duration) error {
	end := clock.MonoNow().Add(while)
	for limit := wholeRead; limit == wholeRead; {
		n, err := l.poller.Wait(0, l.ready[:])
		if n == 0 || err != nil {
			return err
		}
		for _, r := range l.ready[:n] {
			l.handler.Ready(r, limit)
			if clock.MonoNow() >= end {
				limit = shortRead
			}
		}
	}
	return nil
}

// obey carries out the commands that have come, after the sockets that were ready: those may belong
// to sessions that a command removes.
func (l *Loop) obey() (obeyed, stop bool) {
	for _, c := range l.take() {
		if c.Verb == Stop {
			return true, true
		}
		obeyed = true
		l.draining = l.draining || c.Verb == Drain
		l.handler.Command(c)
	}
	if l.draining && l.handler.Drained() {
		l.draining = false
		l.settled.Do(func() { close(l.drained) })
	}
	return obeyed, false
}

func (l *Loop) take() []Command {
	if !l.sent.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	commands := l.commands
	l.commands = nil
	l.sent.Store(false)
	return commands
}

// spinUntil burns the last bit of time before a slot: waking a sleeping thread takes longer.
func (l *Loop) spinUntil(next clock.Mono) {
	if l.spin == 0 || next.Sub(clock.MonoNow()) > l.spin {
		return
	}
	for clock.MonoNow() < next {
	}
}
