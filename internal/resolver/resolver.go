// Package resolver finds the addresses of targets and watches that they stay right. A host name is
// looked up at the start and, with growing pauses, while that fails and while its target does not
// answer. Sessions whose address has changed go on with the new one. An address that stays dead gives
// way to the name's next one; one that answers, over whatever transport, is kept.
//
// The zone of an address is an interface, which has another number when it is made again. So addresses
// with a zone are watched like names, with the number for an address.
package resolver

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// Target is a host and the sessions to it. Their Remote has the port; the address is filled in.
type Target struct {
	Host     string // a name or an address
	Sessions []measurement.Session
}

// Resolver adds sessions to the engine as soon as their address is known. Run it once.
type Resolver struct {
	// Lookup is as net.Resolver.LookupNetIP.
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	// Interface is as InterfaceIndex.
	Interface func(zone string) (index int, err error)
	// Add starts or replaces a session.
	Add func(measurement.Session)
	// Missed counts what happened and may not have reached Tell. It may be nil.
	Missed func() uint64
	Log    zerolog.Logger

	mu      sync.Mutex
	watched map[measurement.SessionID]*health
}

// Run resolves the targets until ctx is done. Targets given as addresses are added before it waits for
// anything. There need not be any: Watch begins with others while Run runs.
func (r *Resolver) Run(ctx context.Context, targets []Target) error {
	var watched []<-chan struct{}
	for _, t := range targets {
		watched = append(watched, r.Watch(ctx, t))
	}
	r.watchMissed(ctx)
	for _, done := range watched {
		<-done
	}
	return nil
}

// Watch begins to resolve a target, until ctx is done, and returns at once. The sessions of a target
// given as an address are added before it returns. The channel is closed when Add will not be called
// any more for the target: soon after the end of ctx at the latest.
func (r *Resolver) Watch(ctx context.Context, t Target) <-chan struct{} {
	done := make(chan struct{})
	ip, err := netip.ParseAddr(t.Host)
	if err == nil && ip.Zone() == "" {
		r.add(t, ip.Unmap())
		close(done)
		return done
	}
	w := newWatcher(r, t, ip)
	r.register(w)
	go func() {
		defer close(done)
		defer r.forget(w)
		w.run(ctx)
	}()
	return done
}

// Tell tells what happened to a session. It may be called from any goroutine and does not wait;
// sessions that need not be watched are ignored.
func (r *Resolver) Tell(id measurement.SessionID, e measurement.Event) {
	r.mu.Lock()
	h := r.watched[id]
	r.mu.Unlock()
	if h != nil {
		h.tell(id, e)
	}
}

func (r *Resolver) register(w *watcher) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watched == nil {
		r.watched = map[measurement.SessionID]*health{}
	}
	for _, s := range w.target.Sessions {
		r.watched[s.ID] = w.health
	}
}

func (r *Resolver) forget(w *watcher) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range w.target.Sessions {
		delete(r.watched, s.ID)
	}
}

// watchMissed has all targets looked up again when events were lost: one of them may have said that a
// target does not answer. It returns when ctx is done.
func (r *Resolver) watchMissed(ctx context.Context) {
	seen := uint64(0)
	for wait(ctx, longPause) {
		if r.Missed == nil {
			continue
		}
		if missed := r.Missed(); missed != seen {
			seen = missed
			r.doubt()
		}
	}
}

func (r *Resolver) doubt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.watched {
		h.doubt()
	}
}

func (r *Resolver) add(t Target, ip netip.Addr) {
	for _, s := range t.Sessions {
		s.Remote = netip.AddrPortFrom(ip, s.Remote.Port())
		r.Add(s)
	}
}

// wait waits for d; false when ctx was done first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
