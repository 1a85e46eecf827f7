// Package latencymonitor measures one-way delay, round-trip time, TCP connect latency and loss between
// hosts, inside a program of your own. It is what the command latency-monitor is made of: the same
// probes, protocols, timestamps and counters, and every Monitor can measure every other, and every
// command and STAMP reflector (RFC 8762) too.
//
//	m, err := latencymonitor.New(latencymonitor.Options{Name: "host-a"})
//	…
//	defer m.Close()
//	m.AddUDPTarget("192.0.2.2")
//	points := m.Metrics()
//	m.Start(ctx)
//	for point := range points { … }
//
// New opens sockets, Start measures, Close waits for the last replies and ends all. Targets come and go at
// any time in between. What is measured leaves on the channel of Metrics, through a [Backend], or through
// several of both. Neither ever makes a probe wait: what can't be delivered is dropped and counted.
//
// # Words
//
// Those of pkg/measurement. In short: T1 is when a probe was sent, T2 when the far end got it, T3 when it
// answered, T4 when the answer came. The round-trip time is (T4 - T1) - (T3 - T2), or T4 - T1 where T2 and
// T3 are not known; the one-way delay is T2 - T1, measured by whoever receives the probe, and needs clocks
// that agree. A lost probe is a loss, never a delay of 0. Delays are in nanoseconds.
//
// # Both roles
//
// A Monitor probes its targets, and answers those who probe it if Options.Reflector has a port. It
// publishes what it measures in both roles. Answering is off by default, since a library should not open
// ports that nobody asked for; probing takes one UDP socket per address family and one TCP connection per
// target.
//
// # What it does to the process
//
// The two loops of a Monitor have a thread each, and while they run the Go scheduler has two Ps more
// (runtime.GOMAXPROCS). They share the garbage collector with the program: under load that makes some
// probes late, which does not enter the delays where the kernel takes the timestamps, and is told by
// Stats. A program that can be started again as an engine process avoids it, see [Isolate]. Rings and
// buffers take about 9 MB, see Engine.RingSize. Engine.LockMemory and Isolate change more; their comments
// say what. Nothing else outlives Close.
//
// The kernel's timestamps, batches and a precise schedule are Linux's; elsewhere, and with ModePortable,
// the same probes are sent with the net package and timestamps from user space.
package latencymonitor
