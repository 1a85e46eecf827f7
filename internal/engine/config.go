package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/reflector"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// Mode selects how packets are sent and received.
type Mode string

// Modes.
const (
	Auto     Mode = "auto"     // Linux where it works, else Portable
	Linux    Mode = "linux"    // epoll, batched system calls, kernel timestamps
	Portable Mode = "portable" // the net package, user-space timestamps
)

// Config of an Engine.
type Config struct {
	Mode        Mode
	Name        string     // ours, in replies
	Address     netip.Addr // where to answer; not valid = all addresses of both families
	UDP, TCP    bool       // whether to answer over it
	UDPPort     uint16
	TCPPort     uint16
	StampPort   uint16 // another port to answer at over UDP; 0 = none
	Stamp       reflector.Stamp
	MaxSize     int           // octets of a message
	MaxSessions int           // that the reflector keeps
	Timeout     time.Duration // after which the reflector takes a missing probe for lost
	Priority    int           // SCHED_FIFO priority of the loops; 0 = off
	CPUs        []int         // for the sender's and the reflector's thread; empty = any
	Spin        time.Duration
	Transmit    bool // use transmit timestamps where there are any
	RingSize    int  // samples per loop, a power of two; not used when there are Outputs

	// Outputs are where samples and counters go, the sender's and the reflector's. Empty: to memory of
	// this process. Those who set them keep the memory until Stop has returned.
	Outputs []Output `json:"-"`
	// Lent are sockets, see Lend, that are to be used instead of new ones. The Engine owns them once
	// New has returned it.
	Lent []packetio.Lent `json:"-"`
	// Note is told, in one line each and at the start only, what the system refused and how the engine
	// goes on without. It may be called from several goroutines.
	Note func(string) `json:"-"`
}

// Output is what leaves a loop.
type Output struct {
	Ring     *ring.SPSC
	Counters *selfstats.Block
}

// NewOutput makes an Output in memory of this process, with a ring of size samples.
func NewOutput(size int) (Output, error) {
	r, err := ring.New(size)
	return Output{Ring: r, Counters: new(selfstats.Block)}, err
}

// listens are the addresses to answer at.
func (c *Config) listens() (udp, tcp []netip.AddrPort) {
	addresses := []netip.Addr{c.Address}
	if !c.Address.IsValid() {
		addresses = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	}
	for _, ip := range addresses {
		if c.UDP {
			udp = append(udp, netip.AddrPortFrom(ip, c.UDPPort))
			if c.StampPort != 0 {
				udp = append(udp, netip.AddrPortFrom(ip, c.StampPort))
			}
		}
		if c.TCP {
			tcp = append(tcp, netip.AddrPortFrom(ip, c.TCPPort))
		}
	}
	return udp, tcp
}

// mayLack reports whether a host may be without a socket on local.
func (c *Config) mayLack(local netip.AddrPort, err error) bool {
	return !c.Address.IsValid() && local.Addr().Is6() &&
		(errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL))
}

// noteMissing tells each thing once, however many sockets lack it.
func (c *Config) noteMissing(name string, missing packetio.Missing) {
	told := map[string]bool{}
	for _, err := range missing {
		if !told[err.Error()] {
			told[err.Error()] = true
			c.Note(fmt.Sprintf("%s: %v: going on without", name, err))
		}
	}
}
