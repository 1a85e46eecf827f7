package zmtp

import (
	"fmt"
	"net"
	"time"
)

// Options are the limits of a PUB. A field that is 0 has the default; the zero value is ready to use.
type Options struct {
	// HWM is the high-water mark: how many messages may wait for one subscriber until the system takes
	// them. The default is 1000, as in libzmq; 0 is not "no limit", as it is there. Messages for several
	// subscribers are in memory once.
	HWM int

	// MaxSubscribers is how many subscribers there may be; the default is 256. There may be as many
	// connections whose handshake is not complete. A further one takes the place of the oldest of
	// these, so that silent connections keep nobody out.
	MaxSubscribers int
	// MaxSubscriptions is how many different subscriptions a subscriber may have; the default is 1024.
	MaxSubscriptions int
	// MaxSubscriptionOctets is how long they may be together; the default is 65536.
	MaxSubscriptionOctets int

	// HandshakeTimeout is the time that a peer has for the whole handshake; the default is 10 s.
	HandshakeTimeout time.Duration
	// WriteTimeout is how long a subscriber may take nothing of what waits for it. One that takes a
	// single octet in this time is slow, not dead, and keeps its connection. The default is 10 s.
	WriteTimeout time.Duration
	// HeartbeatInterval is after how much silence a subscriber is asked for a sign of life, with a PING
	// command (RFC 37, Connection Heartbeating); peers that speak ZMTP 3.0 are not asked, as they may
	// not know it. The default is 30 s; negative means never.
	HeartbeatInterval time.Duration
	// HeartbeatTimeout is how long a subscriber may stay silent after that. It must be longer than a
	// slow subscriber is behind: it finds the PING among the messages. The default is 120 s.
	HeartbeatTimeout time.Duration

	// OnClose, if not nil, is called once for each connection that was accepted, after it has ended:
	// with a nil error when Close ended it in order, net.ErrClosed when Close had to cut it, io.EOF when
	// the peer closed it, the system's error, or one of the package's. It is called from the connection's goroutine, by
	// several of them at a time, and delays only that and Close. It must not call Close.
	OnClose func(peer net.Addr, err error)
}

// withDefaults returns the options with the defaults in place of zeros.
func (o Options) withDefaults() (Options, error) {
	for _, n := range []struct {
		name  string
		value *int
		or    int
	}{
		{"HWM", &o.HWM, 1000},
		{"MaxSubscribers", &o.MaxSubscribers, 256},
		{"MaxSubscriptions", &o.MaxSubscriptions, 1024},
		{"MaxSubscriptionOctets", &o.MaxSubscriptionOctets, 65536},
	} {
		if *n.value < 0 {
			return o, fmt.Errorf("zmtp: option %s is %d, must not be negative", n.name, *n.value)
		}
		if *n.value == 0 {
			*n.value = n.or
		}
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		or    time.Duration
	}{
		{"HandshakeTimeout", &o.HandshakeTimeout, 10 * time.Second},
		{"WriteTimeout", &o.WriteTimeout, 10 * time.Second},
		{"HeartbeatTimeout", &o.HeartbeatTimeout, 120 * time.Second},
	} {
		if *d.value < 0 {
			return o, fmt.Errorf("zmtp: option %s is %v, must not be negative", d.name, *d.value)
		}
		if *d.value == 0 {
			*d.value = d.or
		}
	}
	if o.HeartbeatInterval == 0 {
		o.HeartbeatInterval = 30 * time.Second
	}
	return o, nil
}
