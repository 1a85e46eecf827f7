package latencymonitor

import (
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// The defaults. A field that is 0 stands for its default, unless it says otherwise.
const (
	DefaultUDPPort       = 8001 // of targets
	DefaultTCPPort       = 8000 // of targets
	DefaultInterval      = time.Second
	DefaultTimeout       = time.Second
	DefaultMaxLost       = 10
	DefaultMaxSize       = 1470
	DefaultMaxSessions   = 4096
	DefaultRateLimit     = 20_000
	DefaultRingSize      = 16384
	DefaultMetricsBuffer = 4096
	// DefaultPTPUTCOffset is TAI - UTC since 2017.
	DefaultPTPUTCOffset = 37 * time.Second
)

// Values of fields whose 0 is a default.
const (
	NoRateLimit = -1                // of Reflector.RateLimit
	PTPIsUTC    = time.Duration(-1) // of PTPUTCOffset: PTP timestamps are UTC
)

// Options says who a [Monitor] is, whom it answers and how its threads run. The zero value is a Monitor
// that is called as the host, answers nobody, and runs in this process.
//
// New checks all of it. Nothing in it is used after that, except the Logger.
type Options struct {
	// Name is what this host is called, in messages and as source: of what it measures: 1 to 64 octets of
	// UTF-8 without "|" and control characters. "" = the host name.
	Name string

	// Logger is told what an operator wants to read, as the command logs it: a change of state of a target,
	// what the system refused, trouble with a backend, and once a minute and at the end a line of counters
	// (see the README). What ends the Monitor is of slog.LevelError+4. nil = nothing is logged, and that a host
	// name can't be resolved or a target does not answer is seen in Stats only: as Unaddressed, and as the
	// counters "lost" and "unreachable". slog.Default() is a good start.
	Logger *slog.Logger

	// MaxSize is how many octets the longest message has that is sent or read, 64 to 65535.
	MaxSize int

	// MetricsBuffer is the capacity of the channel that Metrics returns, up to 1<<24.
	MetricsBuffer int

	Reflector Reflector
	Engine    Engine
}

// Reflector says whom a [Monitor] answers. The zero value: nobody.
type Reflector struct {
	// UDPPort and TCPPort are where probes are answered. 0 = they are not, over this transport.
	// DefaultUDPPort and DefaultTCPPort are where other hosts expect it.
	UDPPort, TCPPort uint16
	// StampPort is another UDP port, such as the standard's 862, which needs privilege. 0 = none.
	StampPort uint16
	// Address is where to listen. The zero Addr is all addresses, IPv4 and IPv6.
	Address netip.Addr

	MaxSessions int           // that are answered at once, and as many TCP connections; 1 to 1<<20
	Timeout     time.Duration // after which a missing probe is lost, 1 ms to 1 h

	// What concerns STAMP (RFC 8762).
	Stateless    bool           // replies carry the probe's number: no loss by direction
	Format       stamp.Format   // of our timestamps
	PTPUTCOffset time.Duration  // how much PTP timestamps are ahead of UTC, up to 255 s; see PTPIsUTC
	AuthKeys     [][]byte       // up to 16, of 16 to 64 octets, any of which authenticates a probe
	RequireAuth  bool           // answer nothing else, and nothing over TCP
	Allow        []netip.Prefix // up to 512 sources that are answered; empty = all
	RateLimit    int            // probes a second and source address, up to 10,000,000; see NoRateLimit
}

// Engine says how the threads that send, receive and answer run. The zero value will do for most.
//
// The Linux engine takes kernel timestamps and keeps a locked thread for each of its two loops. The
// portable engine is for everything else.
type Engine struct {
	Mode    Mode
	Isolate Isolate

	// RealtimePriority is that of SCHED_FIFO for both loops, 1 to 99, or 0 for none. It needs CAP_SYS_NICE. The other
	// threads of the engine process have one more.
	RealtimePriority int

	CPUs           []int         // to pin the sender's and the reflector's thread to; empty = any
	Spin           time.Duration // look at the clock for so long before a slot, up to 10 ms; 0 = sleep
	NoTxTimestamps bool          // do without the kernel's transmit timestamps
	RingSize       int           // samples between a loop and the exporter, 64 octets each: a power of two from 1024 to 1<<24

	// LockMemory keeps the memory of the process with the loops in RAM: without Isolate all of this
	// process, and for good.
	LockMemory bool
}

// Mode selects an engine.
type Mode string

// Modes.
const (
	ModeAuto     Mode = "" // Linux where it works, else portable
	ModeLinux    Mode = "linux"
	ModePortable Mode = "portable"
)

// Isolate says whether the engine runs in a process of its own, where no garbage collection makes it
// late, and the parser of what strangers send can do no harm. That process is this program again, so
// anything but IsolateNever is for programs only whose main begins with [EngineProcess]. Every file that is
// open when one is started becomes close-on-exec. Linux only.
type Isolate string

// The values of Isolate.
const (
	IsolateNever  Isolate = ""
	IsolateAuto   Isolate = "auto" // where there can be one
	IsolateAlways Isolate = "always"
)

// complete returns the options with their defaults, sharing nothing with o, or what is wrong with them.
func (o Options) complete() (Options, error) {
	if o.Name == "" {
		name, err := os.Hostname()
		if err != nil {
			return o, err
		}
		o.Name = name
	}
	o.MaxSize = orDefault(o.MaxSize, DefaultMaxSize)
	o.MetricsBuffer = orDefault(o.MetricsBuffer, DefaultMetricsBuffer)
	o.Reflector = o.Reflector.complete()
	o.Engine.RingSize = orDefault(o.Engine.RingSize, DefaultRingSize)
	o.Engine.CPUs = slices.Clone(o.Engine.CPUs)
	return o, o.check()
}

func (r Reflector) complete() Reflector {
	r.Address = r.Address.Unmap()
	r.MaxSessions = orDefault(r.MaxSessions, DefaultMaxSessions)
	r.Timeout = orDefault(r.Timeout, DefaultTimeout)
	r.PTPUTCOffset = orDefault(r.PTPUTCOffset, DefaultPTPUTCOffset)
	r.RateLimit = orDefault(r.RateLimit, DefaultRateLimit)
	r.Allow = slices.Clone(r.Allow)
	keys := make([][]byte, 0, len(r.AuthKeys))
	for _, key := range r.AuthKeys {
		keys = append(keys, slices.Clone(key))
	}
	r.AuthKeys = keys
	return r
}

func orDefault[T comparable](value, usual T) T {
	var zero T
	if value == zero {
		return usual
	}
	return value
}

// utcOffset is a PTPUTCOffset with its defaults as it is meant.
func utcOffset(d time.Duration) time.Duration { return max(0, d) }
