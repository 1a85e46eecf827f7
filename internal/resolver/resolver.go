// Package resolver finds the addresses of targets and watches that they stay right: a host name is
// looked up at the start, again with growing pauses while that fails, and again when its target stops
// answering. Sessions whose address has changed go on with the new one.
package resolver

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

const (
	firstPause = time.Second
	longPause  = time.Minute
	lookupTime = 10 * time.Second
)

// Target is a host and the sessions to it. Their Remote has the port; the address is filled in.
type Target struct {
	Host     string // a name or an address
	Sessions []measurement.Session
}

// Resolver adds sessions to the engine as soon as their address is known. Run it once.
type Resolver struct {
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error) // as net.Resolver.LookupNetIP
	Add    func(measurement.Session)                                             // starts or replaces a session
	Log    zerolog.Logger

	mu       sync.Mutex
	troubled map[measurement.SessionID]chan struct{} // by session: wakes its host's watcher
}

// Run resolves the targets until ctx is done. Targets given as addresses are added before it waits for
// anything.
func (r *Resolver) Run(ctx context.Context, targets []Target) error {
	var watchers sync.WaitGroup
	defer watchers.Wait()
	for _, t := range targets {
		if ip, err := netip.ParseAddr(t.Host); err == nil {
			r.add(t, ip.Unmap())
			continue
		}
		trouble := r.listen(t)
		watchers.Go(func() { r.watch(ctx, t, trouble) })
	}
	<-ctx.Done()
	return nil
}

// Trouble tells that a session's target does not answer. It may be called from any goroutine and does
// not wait; sessions that are not known by name are ignored.
func (r *Resolver) Trouble(id measurement.SessionID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case r.troubled[id] <- struct{}{}:
	default: // not ours, or its watcher knows already
	}
}

// listen makes the channel by which the sessions of t tell trouble.
func (r *Resolver) listen(t Target) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.troubled == nil {
		r.troubled = map[measurement.SessionID]chan struct{}{}
	}
	trouble := make(chan struct{}, 1)
	for _, s := range t.Sessions {
		r.troubled[s.ID] = trouble
	}
	return trouble
}

// watch keeps one host's address.
func (r *Resolver) watch(ctx context.Context, t Target, trouble <-chan struct{}) {
	var current netip.Addr
	pause := firstPause
	for {
		addrs, err := r.lookup(ctx, t.Host)
		switch {
		case err != nil && ctx.Err() != nil:
			return
		case err != nil:
			if pause == firstPause {
				r.Log.Warn().Str("host", t.Host).Err(err).Msg("host name can't be resolved, trying again")
			}
		case !slices.Contains(addrs, current):
			r.change(t, current, addrs[0])
			current = addrs[0]
		}
		if err == nil {
			pause = firstPause
		}
		if !wait(ctx, pause) {
			return
		}
		pause = min(2*pause, longPause)
		if err != nil {
			continue
		}
		select {
		case <-trouble:
		case <-ctx.Done():
			return
		}
	}
}

func (r *Resolver) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	addrs, err := r.Lookup(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, nil
}

func (r *Resolver) change(t Target, from, to netip.Addr) {
	e := r.Log.Info().Str("host", t.Host).Str("address", to.String())
	if from.IsValid() {
		e = e.Str("before", from.String())
	}
	e.Msg("host name resolved")
	r.add(t, to)
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
