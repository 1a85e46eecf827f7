package loop

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// fakeHandler calls those of its functions that are set.
type fakeHandler struct {
	patience time.Duration
	due      func(now clock.Mono) clock.Mono
	ready    func(r Ready, limit int)
	command  func(c Command)
	drained  func() bool
	closed   int
}

func (h *fakeHandler) Due(now clock.Mono) clock.Mono {
	if h.due == nil {
		return clock.Never
	}
	return h.due(now)
}

func (h *fakeHandler) Patience() time.Duration { return h.patience }

func (h *fakeHandler) Ready(r Ready, limit int) {
	if h.ready != nil {
		h.ready(r, limit)
	}
}

func (h *fakeHandler) Command(c Command) {
	if h.command != nil {
		h.command(c)
	}
}

func (h *fakeHandler) Drained() bool { return h.drained == nil || h.drained() }

func (h *fakeHandler) Close() { h.closed++ }

// fakePoller has no sockets: wait plays the part of Wait. Wake is noted.
type fakePoller struct {
	Network
	wait   func(until clock.Mono, ready []Ready) (int, error)
	sleep  func(until clock.Mono)
	woken  int
	closed int
}

func (p *fakePoller) Wait(until clock.Mono, ready []Ready) (int, error) { return p.wait(until, ready) }
func (p *fakePoller) Sleep(until clock.Mono)                            { p.sleep(until) }
func (p *fakePoller) Wake()                                             { p.woken++ }
func (p *fakePoller) Close() error                                      { p.closed++; return nil }

var errDone = errors.New("the test is done")

// start runs a loop on a real poller. The test must stop it.
func start(t *testing.T, i implementation, h Handler) (l *Loop, ended <-chan error) {
	t.Helper()
	p, err := i.open()
	if err != nil {
		t.Fatal(err)
	}
	l = New(p, h, 0)
	result := make(chan error, 1)
	go func() { result <- l.Run() }()
	return l, result
}

func wantEnd(t *testing.T, ended <-chan error) {
	t.Helper()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	case <-time.After(waittest.Patience()):
		t.Fatal("the loop does not end")
	}
}

func TestStopEndsALoopThatWaits(t *testing.T) {
	for _, i := range implementations() {
		t.Run(i.name, func(t *testing.T) {
			h := &fakeHandler{}
			l, ended := start(t, i, h)
			l.Send(Command{Verb: Stop})
			wantEnd(t, ended)
			if h.closed != 1 {
				t.Errorf("the handler was closed %d times, want once", h.closed)
			}
			l.Send(Command{Verb: Stop}) // does nothing
		})
	}
}

func TestCommandsComeInOrderFromAllGoroutines(t *testing.T) {
	const goroutines, each = 8, 200
	for _, i := range implementations() {
		t.Run(i.name, func(t *testing.T) {
			var got [goroutines]int
			total := 0
			finished := make(chan struct{})
			h := &fakeHandler{command: func(c Command) {
				if n := int(c.Session.ID); n != got[c.Session.Size] {
					t.Errorf("goroutine %d: command %d came as number %d", c.Session.Size, n, got[c.Session.Size])
				}
				got[c.Session.Size]++
				if total++; total == goroutines*each {
					close(finished)
				}
			}}
			l, ended := start(t, i, h)
			var senders sync.WaitGroup
			for g := range goroutines {
				senders.Go(func() {
					for n := range each {
						c := Command{Verb: Add}
						c.Session.Size, c.Session.ID = g, measurement.SessionID(n)
						l.Send(c)
					}
				})
			}
			senders.Wait()
			select {
			case <-finished:
			case <-time.After(waittest.Patience()):
				t.Error("commands are missing")
			}
			l.Send(Command{Verb: Stop})
			wantEnd(t, ended)
		})
	}
}

// Close and Wake must not meet: whoever sends does not know that the loop is ending.
func TestSendWhileTheLoopEnds(t *testing.T) {
	for _, i := range implementations() {
		t.Run(i.name, func(t *testing.T) {
			l, ended := start(t, i, &fakeHandler{})
			var senders sync.WaitGroup
			for range 4 {
				senders.Go(func() {
					for range 100 {
						l.Send(Command{Verb: Add})
					}
					l.Send(Command{Verb: Stop})
					l.Send(Command{Verb: Add})
				})
			}
			wantEnd(t, ended)
			senders.Wait()
		})
	}
}

func TestALoopThatNeverRanCanBeClosed(t *testing.T) {
	h, p := &fakeHandler{}, &fakePoller{}
	l := New(p, h, 0)
	l.Close()
	l.Send(Command{Verb: Add})
	if h.closed != 1 || p.closed != 1 || p.woken != 0 {
		t.Errorf("closed %d handlers, %d pollers and woke %d, want 1, 1, 0", h.closed, p.closed, p.woken)
	}
}

func TestAPollersErrorEndsTheLoop(t *testing.T) {
	h := &fakeHandler{}
	p := &fakePoller{wait: func(clock.Mono, []Ready) (int, error) { return 0, errDone }}
	if err := New(p, h, 0).Run(); !errors.Is(err, errDone) {
		t.Errorf("Run = %v, want %v", err, errDone)
	}
	if h.closed != 1 || p.closed != 1 {
		t.Errorf("closed %d handlers and %d pollers, want 1, 1", h.closed, p.closed)
	}
}

func TestDrainedIsTrueOnceTheHandlerSaysSo(t *testing.T) {
	var l *Loop
	var done bool
	turns := 0
	h := &fakeHandler{drained: func() bool { return done }}
	isDrained := func() bool {
		select {
		case <-l.Drained():
			return true
		default:
			return false
		}
	}
	p := &fakePoller{}
	p.wait = func(clock.Mono, []Ready) (int, error) {
		wantDrained := false
		switch turns++; turns {
		case 1: // done, but nobody asked
			done = true
		case 2:
			done = false
			l.Send(Command{Verb: Drain})
		case 3, 4:
		case 5:
			done = true
		case 6:
			wantDrained = true
			l.Send(Command{Verb: Drain}) // again
		case 7:
			wantDrained = true
			l.Send(Command{Verb: Stop})
		}
		if got := isDrained(); got != wantDrained {
			t.Errorf("turn %d: drained = %t, want %t", turns, got, wantDrained)
		}
		return 0, nil
	}
	l = New(p, h, 0)
	if err := l.Run(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

func TestNothingIsObeyedAfterStop(t *testing.T) {
	var l *Loop
	var verbs []Verb
	h := &fakeHandler{command: func(c Command) { verbs = append(verbs, c.Verb) }}
	p := &fakePoller{wait: func(clock.Mono, []Ready) (int, error) {
		for _, v := range []Verb{Add, Remove, Stop, Add} {
			l.Send(Command{Verb: v})
		}
		return 0, nil
	}}
	l = New(p, h, 0)
	if err := l.Run(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if want := []Verb{Add, Remove}; !slices.Equal(verbs, want) {
		t.Errorf("obeyed %v, want %v", verbs, want)
	}
}

// A slot that comes while sockets are read goes before the next of them.
func TestWhatIsDueGoesBeforeReads(t *testing.T) {
	var order []string
	slot := clock.Never
	h := &fakeHandler{
		due: func(now clock.Mono) clock.Mono {
			if now >= slot {
				order = append(order, "slot")
				slot = clock.Never
			}
			return slot
		},
		ready: func(r Ready, limit int) {
			order = append(order, "read")
			for r.Token == 2 && clock.MonoNow() < slot {
			}
		},
	}
	turns := 0
	p := &fakePoller{wait: func(_ clock.Mono, ready []Ready) (int, error) {
		switch turns++; turns {
		case 1: // so that Due tells the slot
			slot = clock.MonoNow().Add(5 * time.Millisecond)
			return 0, nil
		case 2:
			return copy(ready, []Ready{{Token: 1, Read: true}, {Token: 2, Read: true}, {Token: 3, Read: true}}), nil
		}
		return 0, errDone
	}}
	if err := New(p, h, 0).Run(); !errors.Is(err, errDone) {
		t.Errorf("Run = %v, want %v", err, errDone)
	}
	if want := []string{"read", "read", "slot", "read"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
}

// readOnce runs a loop of which one socket is ready when it first waits, and which ends when it waits again.
func readOnce(t *testing.T, h Handler) {
	t.Helper()
	turns := 0
	p := &fakePoller{wait: func(_ clock.Mono, ready []Ready) (int, error) {
		if turns++; turns > 1 {
			return 0, errDone
		}
		return copy(ready, []Ready{{Token: 1, Read: true}}), nil
	}}
	if err := New(p, h, 0).Run(); !errors.Is(err, errDone) {
		t.Errorf("Run = %v, want %v", err, errDone)
	}
}

func TestReadsAreShortNearASlot(t *testing.T) {
	tests := []struct {
		name string
		in   time.Duration // from when it was asked for
		want int
	}{
		{"a slot in an hour", time.Hour, wholeRead},
		{"a slot at any moment", nearSlot - 1, shortRead},
		{"what has come is to be read first", 0, wholeRead},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var limit int
			h := &fakeHandler{
				due:   func(now clock.Mono) clock.Mono { return now.Add(tt.in) },
				ready: func(_ Ready, l int) { limit = l },
			}
			readOnce(t, h)
			if limit != tt.want {
				t.Errorf("limit %d, want %d", limit, tt.want)
			}
		})
	}
}

func TestSpinWaitsShortOfTheSlotAndBurnsTheRest(t *testing.T) {
	const spin = 2 * time.Millisecond
	slot := clock.MonoNow().Add(20 * time.Millisecond)
	var dues []clock.Mono
	h := &fakeHandler{due: func(now clock.Mono) clock.Mono {
		dues = append(dues, now)
		return slot
	}}
	p := &fakePoller{wait: func(until clock.Mono, _ []Ready) (int, error) {
		if len(dues) == 2 {
			return 0, errDone
		}
		if want := slot.Add(-spin); until != want {
			t.Errorf("Wait until %d, want %d", until, want)
		}
		for clock.MonoNow() < until {
		}
		return 0, nil
	}}
	if err := New(p, h, spin).Run(); !errors.Is(err, errDone) {
		t.Errorf("Run = %v, want %v", err, errDone)
	}
	if len(dues) != 2 || dues[1] < slot {
		t.Errorf("Due at %d, want the second time at %d or later", dues, slot)
	}
}

func TestPacketsWaitForTheSlotOnlyAsLongAsTheHandlerHasPatience(t *testing.T) {
	const patience = 2 * time.Millisecond
	tests := []struct {
		name         string
		patience     time.Duration
		slotIn, spin time.Duration
		wantSleep    bool
	}{
		{"the slot is near", patience, time.Millisecond, 0, true},
		{"the slot is near, and it spins before", patience, time.Millisecond, time.Microsecond, true},
		{"the slot is far", patience, time.Minute, 0, false},
		{"no patience", 0, time.Millisecond, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var steps []string
			slot := clock.Mono(0)
			h := &fakeHandler{
				patience: tt.patience,
				due: func(now clock.Mono) clock.Mono {
					slot = now.Add(tt.slotIn)
					steps = append(steps, "due")
					return slot
				},
				ready: func(Ready, int) { steps = append(steps, "read") },
			}
			p := &fakePoller{
				wait: func(until clock.Mono, ready []Ready) (int, error) {
					if len(steps) > 2 && (!tt.wantSleep || len(steps) > 3) {
						return 0, errDone
					}
					if waits := until > slot.Add(-tt.slotIn); waits == tt.wantSleep {
						t.Errorf("Wait until %v after now, want a wait only if the packets can't", until.Sub(slot.Add(-tt.slotIn)))
					}
					if len(steps) > 1 {
						return 0, nil // it was read
					}
					return copy(ready, []Ready{{Token: 1, Read: true}}), nil
				},
				sleep: func(until clock.Mono) {
					if want := slot.Add(-tt.spin); until != want {
						t.Errorf("Sleep until %d, want %d", until, want)
					}
					steps = append(steps, "sleep")
				},
			}
			if err := New(p, h, tt.spin).Run(); !errors.Is(err, errDone) {
				t.Errorf("Run = %v, want %v", err, errDone)
			}
			want := []string{"due", "read", "due"}
			if tt.wantSleep {
				want = []string{"due", "read", "due", "sleep", "due"}
			}
			if !slices.Equal(steps, want) {
				t.Errorf("it did %q, want %q", steps, want)
			}
		})
	}
}

func TestWhatHasComeIsReadBeforeDueIsCalledAgain(t *testing.T) {
	var order []string
	h := &fakeHandler{
		patience: time.Second,
		due: func(now clock.Mono) clock.Mono {
			order = append(order, "due")
			return now
		},
		ready: func(Ready, int) { order = append(order, "read") },
	}
	turns := 0
	p := &fakePoller{
		wait: func(_ clock.Mono, ready []Ready) (int, error) {
			switch turns++; turns {
			case 1:
				return copy(ready, []Ready{{Token: 1, Read: true}, {Token: 2, Read: true}}), nil
			case 2:
				return 0, nil
			}
			return 0, errDone
		},
		sleep: func(clock.Mono) { t.Error("it sleeps") },
	}
	if err := New(p, h, 0).Run(); !errors.Is(err, errDone) {
		t.Errorf("Run = %v, want %v", err, errDone)
	}
	if want := []string{"due", "read", "read", "due"}; !slices.Equal(order, want) {
		t.Errorf("it did %q, want %q", order, want)
	}
}

// When there is more to send than there is time for, what comes must still be read, of each socket: for as long as
// sending takes.
func TestReadingGetsAsMuchTimeAsSendingThatCanNotKeepUp(t *testing.T) {
	const sending, reading, rounds = 400 * time.Microsecond, 100 * time.Microsecond, 50
	work := func(d time.Duration) {
		for end := clock.MonoNow().Add(d); clock.MonoNow() < end; {
		}
	}
	dues, packets := 0, map[Token]int{}
	h := &fakeHandler{
		patience: time.Second,
		due: func(now clock.Mono) clock.Mono {
			dues++
			work(sending)
			return now + 1
		},
		ready: func(r Ready, limit int) {
			packets[r.Token] += limit
			work(reading)
		},
	}
	p := &fakePoller{
		wait: func(until clock.Mono, ready []Ready) (int, error) {
			if dues >= rounds {
				return 0, errDone
			}
			if until > clock.MonoNow() {
				t.Error("it waits")
			}
			return copy(ready, []Ready{{Token: 1, Read: true}, {Token: 2, Read: true}}), nil
		},
		sleep: func(clock.Mono) { t.Error("it sleeps") },
	}
	if err := New(p, h, 0).Run(); !errors.Is(err, errDone) {
		t.Errorf("Run = %v, want %v", err, errDone)
	}
	// Of each, two whole reads a round, if nothing else runs meanwhile.
	for _, socket := range []Token{1, 2} {
		if got, least := packets[socket], rounds*wholeRead; got < least {
			t.Errorf("socket %d: at most %d packets read between %d times of sending, want at least %d", socket, got, rounds, least)
		}
	}
}

// A single delay, of the thread perhaps, must not put off the slots that come next.
func TestSlotsThatWereOverOnceComeBeforeReading(t *testing.T) {
	var order []string
	readOnce(t, &fakeHandler{
		due: func(now clock.Mono) clock.Mono {
			order = append(order, "due")
			if len(order) == 1 {
				return now + 1 // over when it returns
			}
			return now.Add(time.Hour)
		},
		ready: func(Ready, int) { order = append(order, "read") },
	})
	if want := []string{"due", "due", "read", "due"}; !slices.Equal(order, want) {
		t.Errorf("it did %q, want %q", order, want)
	}
}

// A Due that comes before a read may ask for what has come to be read first, too.
func TestWholeReadFollowsADueThatAsksForIt(t *testing.T) {
	var order []string
	readOnce(t, &fakeHandler{
		due: func(now clock.Mono) clock.Mono {
			order = append(order, "due")
			switch len(order) {
			case 1:
				return now + 1 // over when it returns, so that the next Due comes before the read
			case 2:
				return now
			}
			return now.Add(time.Hour)
		},
		ready: func(_ Ready, limit int) { order = append(order, fmt.Sprint("read ", limit)) },
	})
	if want := []string{"due", "due", fmt.Sprint("read ", wholeRead), "due"}; !slices.Equal(order, want) {
		t.Errorf("it did %q, want %q", order, want)
	}
}

// A session that is added may have its first slot before that for which the loop would sleep.
func TestSlotsAreLookedAfterAgainAfterACommand(t *testing.T) {
	var l *Loop
	var order []string
	h := &fakeHandler{
		patience: time.Second,
		due: func(now clock.Mono) clock.Mono {
			order = append(order, "due")
			return now.Add(time.Millisecond)
		},
		command: func(Command) { order = append(order, "command") },
	}
	p := &fakePoller{
		wait: func(clock.Mono, []Ready) (int, error) {
			if len(order) == 1 {
				l.Send(Command{Verb: Add})
			}
			return 0, nil
		},
		sleep: func(clock.Mono) {
			order = append(order, "sleep")
			l.Send(Command{Verb: Stop})
		},
	}
	l = New(p, h, 0)
	if err := l.Run(); err != nil {
		t.Error(err)
	}
	if want := []string{"due", "command", "due", "sleep", "due"}; !slices.Equal(order, want) {
		t.Errorf("it did %q, want %q", order, want)
	}
}
