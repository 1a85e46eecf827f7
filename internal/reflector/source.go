package reflector

import (
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
)

// admits reports whether a datagram's source may have an answer, and counts why not. It comes before
// anything that costs more.
func (r *Reflector) admits(source netip.Addr, now clock.Mono) bool {
	if !r.allows(source) {
		r.counters.Inc(selfstats.ProbesNotAllowed)
		return false
	}
	if r.limiter != nil && !r.limiter.admits(source, now) {
		r.counters.Inc(selfstats.ProbesRateLimited)
		return false
	}
	return true
}

// allows reports whether an address is in the list of those that are answered.
func (r *Reflector) allows(source netip.Addr) bool {
	if len(r.config.Stamp.Allow) == 0 {
		return true
	}
	source = source.WithZone("").Unmap() // with a zone, it would be in no prefix
	for _, prefix := range r.config.Stamp.Allow {
		if prefix.Contains(source) {
			return true
		}
	}
	return false
}

const (
	limiterSets = 1024
	limiterWays = 4
)

// limiter limits the rate of each source address by a token bucket, which holds what is allowed in a
// second: after a pause, so many may come at once.
//
// It has a fixed number of buckets, four for all addresses of the same hash. One that comes anew takes
// the fullest of these, and begins with a full one: so addresses in use lose what they have spent, and
// are allowed more than the limit, when more than four of them meet in one place. The other way, with
// shared buckets, anybody could use up what is another's by forging addresses.
type limiter struct {
	cost    time.Duration // of one packet: how long it takes for a bucket to get a token
	seed    maphash.Seed
	buckets [limiterSets][limiterWays]bucket
}

// bucket is of the address with this hash. It lacks full - now worth of tokens.
type bucket struct {
	source uint64
	full   clock.Mono // when it is full again
}

func newLimiter(perSecond int) *limiter {
	if perSecond <= 0 {
		return nil
	}
	return &limiter{cost: max(time.Second/time.Duration(perSecond), 1), seed: maphash.MakeSeed()}
}

// admits takes a token out of a source's bucket, if one is left.
func (l *limiter) admits(source netip.Addr, now clock.Mono) bool {
	octets := source.As16()
	hash := maphash.Bytes(l.seed, octets[:])
	b := l.find(hash)
	if b.source != hash {
		*b = bucket{source: hash}
	}
	full := max(b.full, now).Add(l.cost)
	if full.Sub(now) > max(time.Second, l.cost) {
		return false
	}
	b.full = full
	return true
}

// find finds the bucket of a hash, or the one to be used for it.
func (l *limiter) find(hash uint64) *bucket {
	set := &l.buckets[hash%limiterSets]
	found := &set[0]
	for i := range set {
		if set[i].source == hash {
			return &set[i]
		}
		if set[i].full < found.full {
			found = &set[i]
		}
	}
	return found
}
