package privilege

import (
	"bytes"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

func TestConfinedEngineWorks(t *testing.T) {
	t.Run("root", func(t *testing.T) { inCopy(t, asRoot, testEngineWorks) })
	t.Run("nobody", func(t *testing.T) { inCopy(t, asNobody, testEngineWorks) })
}

func testEngineWorks(t *testing.T) {
	udp := listenUDP(t)
	tcp := listenTCP(t)
	before := len(openStatus(t))
	confine(t)
	t.Run("existing UDP socket", func(t *testing.T) { wantUDP(t, udp) })
	t.Run("existing TCP socket", func(t *testing.T) { wantTCP(t, tcp) })
	t.Run("new UDP socket", func(t *testing.T) { wantUDP(t, listenUDP(t)) })
	t.Run("new TCP socket", func(t *testing.T) { wantTCP(t, listenTCP(t)) })
	t.Run("new loop", wantLoop)
	t.Run("batches", wantBatch)
	t.Run("new threads", func(t *testing.T) { wantThreads(t, before) })
	t.Run("garbage collection", wantCollection)
	t.Run("timers", func(t *testing.T) { <-time.After(time.Millisecond) })
	t.Run("preemption", wantPreemption)
	t.Run("thread set-up", wantThreadSetUp)
	t.Run("recovered panic", func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("recover() = nil, want the panic of a bad address")
			}
		}()
		t.Log(*nowhere())
	})
}

func nowhere() *int { return nil }

func listenUDP(t *testing.T) net.PacketConn {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func listenTCP(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func wantUDP(t *testing.T, conn net.PacketConn) {
	t.Helper()
	if _, err := conn.WriteTo([]byte("x"), conn.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if n, _, err := conn.ReadFrom(make([]byte, 8)); n != 1 || err != nil {
		t.Errorf("ReadFrom = %d, %v, want 1 byte", n, err)
	}
}

func wantTCP(t *testing.T, l net.Listener) {
	t.Helper()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := server.Read(make([]byte, 8)); n != 1 || err != nil {
		t.Errorf("Read = %d, %v, want 1 byte", n, err)
	}
}

// wantLoop does by hand what a loop does with its descriptors.
func wantLoop(t *testing.T) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(epoll)
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(timer)
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(wake)
	for _, fd := range []int{timer, wake} {
		if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
			t.Fatal(err)
		}
	}
	soon := unix.ItimerSpec{Value: unix.Timespec{Nsec: 1}}
	if err := unix.TimerfdSettime(timer, 0, &soon, nil); err != nil {
		t.Error(err)
	}
	if n, err := unix.EpollWait(epoll, make([]unix.EpollEvent, 2), 1000); n != 1 || err != nil {
		t.Errorf("EpollWait = %d, %v, want the timer", n, err)
	}
	one := []byte{1, 0, 0, 0, 0, 0, 0, 1}
	if _, err := unix.Write(wake, one); err != nil {
		t.Error(err)
	}
	if _, err := unix.Read(wake, one); err != nil {
		t.Error(err)
	}
}

func wantBatch(t *testing.T) {
	conn := listenUDP(t)
	batches := ipv4.NewPacketConn(conn)
	out := []ipv4.Message{{Buffers: [][]byte{{'x'}}, Addr: conn.LocalAddr()}, {Buffers: [][]byte{{'y'}}, Addr: conn.LocalAddr()}}
	if n, err := batches.WriteBatch(out, 0); n != 2 || err != nil {
		t.Fatalf("WriteBatch = %d, %v, want 2", n, err)
	}
	in := []ipv4.Message{{Buffers: [][]byte{make([]byte, 8)}}, {Buffers: [][]byte{make([]byte, 8)}}}
	if n, err := batches.ReadBatch(in, 0); n != 2 || err != nil {
		t.Errorf("ReadBatch = %d, %v, want 2", n, err)
	}
}

// wantThreads keeps more threads busy than there were before.
func wantThreads(t *testing.T, before int) {
	numbers := make(map[int]bool)
	for len(numbers) <= before {
		lockThreads(t).each(func() { numbers[unix.Gettid()] = true })
	}
}

// wantCollection has the memory limit force collections.
func wantCollection(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(4 << 20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 8 {
		runtime.KeepAlive(make([]byte, 1<<20))
	}
	runtime.GC()
	debug.FreeOSMemory()
	runtime.ReadMemStats(&after)
	if collections := after.NumGC - before.NumGC; collections <= 2 {
		t.Errorf("%d collections, want more than the 2 that were asked for", collections)
	}
}

// wantPreemption collects garbage beside a loop that only a signal can stop.
func wantPreemption(t *testing.T) {
	var running, stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			running.Store(true)
		}
	}()
	for !running.Load() {
		runtime.Gosched()
	}
	runtime.GC()
	stop.Store(true)
	<-done
}

// wantThreadSetUp makes the calls by which a loop sets up its thread and asks for the clock's error.
func wantThreadSetUp(t *testing.T) {
	var set unix.CPUSet
	page := make([]byte, 4096)
	lockThreads(t)[:1].each(func() {
		for name, err := range map[string]error{
			"sched_getaffinity": unix.SchedGetaffinity(0, &set),
			"sched_setaffinity": unix.SchedSetaffinity(0, &set),
			"sched_setattr":     unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr}, 0),
			"timer slack":       unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0),
			"adjtimex":          errno(unix.Adjtimex(&unix.Timex{})),
			"clock_adjtime":     errno(unix.ClockAdjtime(unix.CLOCK_REALTIME, &unix.Timex{})),
			"clock_gettime":     unix.ClockGettime(unix.CLOCK_MONOTONIC, &unix.Timespec{}),
			"clock_nanosleep":   unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &unix.Timespec{Nsec: 1}, nil),
			"getrusage":         unix.Getrusage(unix.RUSAGE_SELF, &unix.Rusage{}),
			"mlock":             unix.Mlock(page),
			"munlock":           unix.Munlock(page),
		} {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestConfinedProcessSaysWhyItPanics(t *testing.T) {
	if os.Getenv(copyOf) == t.Name() {
		confine(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			panic("on purpose")
		}()
		<-done
	}
	cmd := copyCommand(t, asRoot)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(stderr.String(), "panic: on purpose") ||
		!strings.Contains(stderr.String(), "goroutine ") {
		t.Errorf("a copy that panics: %v, want exit status 2 with a trace, not\n%s", err, stderr.String())
	}
}
