package isolation

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

func TestEngineMeasuresInAProcessOfItsOwn(t *testing.T) {
	leavesNothing(t, func() {
		h := newHost(t, hostConfig(t, "host"))
		h.Add(h.session(1))
		if err := h.Start(); err != nil {
			t.Fatal(err)
		}
		h.Add(h.session(2))
		h.measured(1)
		h.measured(2)
		if pid := h.current().child.Pid; pid == os.Getpid() {
			t.Error("it is this process")
		}
		h.Remove(1)
		h.forget()
		h.measured(2)
		select {
		case <-h.Drain():
		case <-time.After(waittest.Patience()):
			t.Error("Drain does not end")
		}
		h.Stop()
		c := h.Totals().Counts
		if sent := c[selfstats.ProbesAnswered] + c[selfstats.ProbesLost] + c[selfstats.ProbesAbandoned]; c[selfstats.SlotsSent] != sent {
			t.Errorf("%d slots sent, %d probes settled", c[selfstats.SlotsSent], sent)
		}
	})
}

func TestPortInUseIsAnErrorOfNew(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			c := hostConfig(t, "host")
			c.Note = func(string) {}
			h := newHost(t, c)
			c.UDP, c.TCP = network == "udp", network == "tcp"
			leavesNothing(t, func() {
				if _, err := New(Config{Engine: c, Consumer: h}); err == nil || !strings.Contains(err.Error(), "address already in use") {
					t.Errorf("New = %v, want that the address is in use", err)
				}
			})
		})
	}
}

func TestStopEndsEverythingHoweverItIsCalled(t *testing.T) {
	start := func(h *host) {
		if err := h.Start(); err != nil {
			t.Errorf("Start: %v", err)
		}
	}
	for name, stop := range map[string]func(h *host){
		"at once":       func(h *host) { start(h); h.Stop() },
		"without Start": func(h *host) { h.Stop() },
		"twice":         func(h *host) { start(h); h.Stop(); h.Stop() },
		"before Start":  func(h *host) { h.Stop(); start(h); h.Stop() },
		"from two goroutines": func(h *host) {
			start(h)
			var both sync.WaitGroup
			for range 2 {
				both.Go(h.Stop)
			}
			both.Wait()
		},
		"while no child lives": func(h *host) {
			start(h)
			p := h.current()
			h.kill()
			<-p.gone
			h.Stop()
		},
		"while it is drained": func(h *host) {
			h.Add(h.session(1))
			start(h)
			h.measured(1)
			h.Drain()
			h.Stop()
		},
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t, func() { stop(newHost(t, hostConfig(t, "host"))) })
		})
	}
}

func TestDrainEndsWithTheChild(t *testing.T) {
	h := newHost(t, hostConfig(t, "host"))
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s := h.session(1)
	s.Remote, s.Timeout = silent.LocalAddr().(*net.UDPAddr).AddrPort(), time.Hour
	h.Add(s)
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "a probe", func() bool { return h.count(selfstats.SlotsSent) > 0 })
	drained := h.Drain()
	h.kill()
	select {
	case <-drained:
	case <-time.After(waittest.Patience()):
		t.Fatal("Drain does not end")
	}
	if h.current() != nil || h.count(selfstats.EngineRestarts) > 0 {
		t.Error("another child was started to probe nothing")
	}
}

// Every slot is counted once, by the child that died or by the next one.
func TestDeadChildIsReplacedAndEverySlotIsCounted(t *testing.T) {
	h := newHost(t, hostConfig(t, "host"))
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	s := h.session(1)
	h.Add(s)
	h.measured(1)
	const kills = 3
	for i := range kills {
		h.kill()
		waittest.Until(t, "another child", func() bool {
			return h.count(selfstats.EngineRestarts) == uint64(i+1) && h.current() != nil
		})
		h.forget()
		h.measured(1)
	}
	h.Stop()

	first, last := h.sent[0], h.sent[len(h.sent)-1]
	totals := h.Totals()
	slots := last.Sub(first).Round(s.Interval)/s.Interval + 1
	counted := totals.Counts[selfstats.SlotsSent] + totals.Skipped()
	// A child may die between a send and its count, or between that and the note how far it has counted. And
	// slots before the first probe, or after the last one, are counted as well.
	if diff := int64(counted) - int64(slots); diff < -kills || diff > kills+slotsAtTheEnds {
		t.Errorf("%d slots counted, %d from the first probe to the last", counted, slots)
	}
	c := totals.Counts
	if settled := c[selfstats.ProbesAnswered] + c[selfstats.ProbesLost] + c[selfstats.ProbesAbandoned]; settled != c[selfstats.SlotsSent] {
		t.Errorf("%d slots sent, %d probes settled", c[selfstats.SlotsSent], settled)
	}
	if notes := h.noted(); len(notes) != 2*kills {
		t.Errorf("told %q, want two lines for each death", notes)
	}
}

// slotsAtTheEnds is how many slots may have been counted from which no round-trip time came: the child
// is busy when it starts and when it is stopped.
const slotsAtTheEnds = 100

// While no child can be started, slots go by, and are counted as they do.
func TestSlotsWithoutAChildAreCounted(t *testing.T) {
	for name, end := range map[string]func(h *host){
		"when it is asked for":        func(h *host) {},
		"when the session is drained": func(h *host) { <-h.Drain() },
		"when it is removed":          func(h *host) { h.Remove(1) },
		"when it gets a new address":  func(h *host) { h.Add(h.session(1)) },
	} {
		t.Run(name, func(t *testing.T) {
			plague := shortPath(t)
			h := newHost(t, hostConfig(t, "mortal "+plague))
			if err := h.Start(); err != nil {
				t.Fatal(err)
			}
			s := h.session(1)
			h.Add(s)
			h.measured(1)
			if err := os.WriteFile(plague, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			p := h.current()
			h.kill()
			<-p.gone
			died := time.Now()
			waittest.Until(t, "no child", func() bool { return h.current() == nil })
			before := h.Totals().Skipped()
			begin := time.Now()
			waittest.Until(t, "half a second without a child", func() bool { return time.Since(died) > time.Second/2 })
			end(h)
			least := uint64(time.Since(begin) / s.Interval)
			skipped := h.Totals().Skipped() - before
			if most := uint64(time.Since(died)/s.Interval) + 1; skipped < least || skipped > most {
				t.Errorf("%d slots skipped, want %d to %d", skipped, least, most)
			}
		})
	}
}

func TestChildThatGetsReadyAfterStopIsEnded(t *testing.T) {
	h := newHost(t, hostConfig(t, "host"))
	p, err := h.startProcess()
	if err != nil {
		t.Fatal(err)
	}
	h.stopping.Do(func() { close(h.halt) })
	if err := h.entrust(p); err != ErrStopped {
		t.Errorf("entrust = %v, want %v", err, ErrStopped)
	}
	if h.current() != nil {
		t.Error("there is a child after Stop")
	}
	_ = p.child.Kill()
	<-p.gone
	h.bury(p)
}

// What came while there was no engine process is not answered when there is one.
func TestPacketsThatCameWithoutAChildAreDroppedAndCounted(t *testing.T) {
	h := newHost(t, hostConfig(t, "host"))
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(h.config.Engine.Address, h.config.Engine.UDPPort)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const waiting = 5
	for range waiting { // there is no child yet, but a socket
		if _, err := conn.Write([]byte("7|a|1795375380625056238|[]|early")); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(h.config.Engine.TCPPort))))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("8|a|1795375380625056238|[]|now")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	_ = conn.SetReadDeadline(time.Now().Add(waittest.Patience()))
	n, err := conn.Read(buf)
	if err != nil || !strings.HasPrefix(string(buf[:n]), "8|host|") {
		t.Errorf("the first reply is %q, %v, want that to number 8", buf[:n], err)
	}
	waittest.Until(t, "all packets counted that were dropped", func() bool { return h.count(selfstats.QueueOverflow) == waiting })
	_ = stream.SetReadDeadline(time.Now().Add(waittest.Patience()))
	if _, err := stream.Read(buf); err == nil || os.IsTimeout(err) {
		t.Errorf("the connection that waited is not refused: %v", err)
	}
	if got := h.count(selfstats.ConnectionsRefused); got != 1 {
		t.Errorf("%d connections refused, want 1", got)
	}
}

func TestIdleConsumerIsWoken(t *testing.T) {
	h := newHost(t, hostConfig(t, "host"))
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	for _, r := range h.rings {
		r.Sleep()
	}
	h.mu.Unlock()
	s := h.session(1)
	h.Add(s)
	waittest.Until(t, "both loops wake the consumer", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.wakes > 0
	})
}
