package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

const (
	firstPause = time.Second // between lookups
	longPause  = time.Minute
	lookupTime = 10 * time.Second

	// firstPatience is how long an address stays dead before the next one has its turn: longer than
	// it takes to notice that a target is silent, at an interval of a second. It doubles with each
	// round through the addresses of a name, up to longPatience.
	firstPatience = 30 * time.Second
	longPatience  = 15 * time.Minute
)

// place is where a target is: an address and, if it has a zone, the number of that interface now.
type place struct {
	ip    netip.Addr
	index int
}

// watcher keeps one target's place.
type watcher struct {
	resolver *Resolver
	target   Target
	address  netip.Addr // the host, if it is an address with a zone
	health   *health

	current place   // the zero place: none yet
	tried   []place // since the target answered last, current at the end
	moves   int     // since then
	pause   time.Duration
	failing bool // the last lookup failed
}

// newWatcher makes a watcher; address is not valid if the host is a name.
func newWatcher(r *Resolver, t Target, address netip.Addr) *watcher {
	return &watcher{
		resolver: r, target: t, address: address, health: newHealth(t.Sessions), pause: firstPause,
	}
}

func (w *watcher) run(ctx context.Context) {
	for {
		w.search(ctx)
		if !wait(ctx, w.pause) {
			return
		}
		w.pause = min(2*w.pause, longPause)
		if w.current != (place{}) && !w.untilTrouble(ctx) {
			return
		}
	}
}

// untilTrouble waits until the target must be looked up; false when ctx was done first. One that comes
// and goes keeps its pauses.
func (w *watcher) untilTrouble(ctx context.Context) bool {
	began := time.Now()
	for !w.health.trouble() {
		select {
		case <-w.health.wake:
		case <-ctx.Done():
			return false
		}
	}
	if time.Since(began) >= longPause {
		w.pause = firstPause
	}
	if w.health.hasAnswered() {
		w.tried, w.moves = []place{w.current}, 0
	}
	return true
}

// search looks the target up and moves it if that helps.
func (w *watcher) search(ctx context.Context) {
	places, err := w.places(ctx)
	if err != nil {
		w.fail(ctx, err)
		return
	}
	isFirst := w.current == place{}
	gone := !slices.Contains(places, w.current)
	if isFirst || w.health.trouble() && (gone || w.health.deadFor() >= w.patience(len(places))) {
		w.move(w.next(places))
	}
	if isFirst {
		w.pause = firstPause
	}
	w.failing = false
}

// fail says once that lookups fail.
func (w *watcher) fail(ctx context.Context, err error) {
	if w.failing || ctx.Err() != nil {
		return
	}
	w.failing = true
	text := "host name can't be resolved, trying again"
	if w.address.IsValid() {
		text = "interface of the address not found, trying again"
	}
	w.resolver.Log.Warn().Str("host", w.target.Host).Err(err).Msg(text)
}

// patience is how long the current place may stay dead when there are so many.
func (w *watcher) patience(places int) time.Duration {
	rounds := min(w.moves/places, 10) // keeps the shift small
	return min(firstPatience<<rounds, longPatience)
}

// next picks the first place that was not tried, else the one that was tried longest ago.
func (w *watcher) next(places []place) place {
	unlisted := func(p place) bool { return !slices.Contains(places, p) }
	w.tried = slices.DeleteFunc(w.tried, unlisted)
	return slices.MinFunc(places, func(a, b place) int {
		return slices.Index(w.tried, a) - slices.Index(w.tried, b)
	})
}

// move goes on at another place, if it is another one.
func (w *watcher) move(to place) {
	if to == w.current {
		return
	}
	w.logMove(to)
	if w.current != (place{}) {
		w.moves++
	}
	w.current = to
	w.tried = append(slices.DeleteFunc(w.tried, func(p place) bool { return p == to }), to)
	w.health.reset()
	w.resolver.add(w.target, to.ip)
}

// logMove tells of a move, but not that an address is known from the start.
func (w *watcher) logMove(to place) {
	isFirst := w.current == place{}
	line := w.resolver.Log.Info().Str("host", w.target.Host)
	switch {
	case !w.address.IsValid() && isFirst:
		line.Str("address", to.ip.String()).Msg("host name resolved")
	case !w.address.IsValid():
		line.Str("address", to.ip.String()).Str("before", w.current.ip.String()).Msg("host name resolved")
	case !isFirst || w.failing:
		line.Int("number", to.index).Msg("interface of the address found")
	}
}

// places are those where the target may be, the best first: one at least.
func (w *watcher) places(ctx context.Context) ([]place, error) {
	addrs, err := w.addresses(ctx)
	if err != nil {
		return nil, err
	}
	places := make([]place, 0, len(addrs))
	for _, ip := range addrs {
		p := place{ip: ip.Unmap()}
		if zone := ip.Zone(); zone != "" {
			if p.index, err = w.resolver.Interface(zone); err != nil {
				continue
			}
		}
		places = append(places, p)
	}
	switch {
	case len(places) > 0:
		return places, nil
	case err != nil:
		return nil, err
	}
	return nil, errors.New("no addresses")
}

func (w *watcher) addresses(ctx context.Context) ([]netip.Addr, error) {
	if w.address.IsValid() {
		return []netip.Addr{w.address}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	return w.resolver.Lookup(ctx, "ip", w.target.Host)
}

// InterfaceIndex is the number of the interface that a zone names, by its name or its number.
func InterfaceIndex(zone string) (int, error) {
	if index, err := strconv.Atoi(zone); err == nil {
		if _, err := net.InterfaceByIndex(index); err != nil {
			return 0, fmt.Errorf("interface %d: %w", index, err)
		}
		return index, nil
	}
	device, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, fmt.Errorf("interface %q: %w", zone, err)
	}
	return device.Index, nil
}
