package isolation

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// serveAs is Serve, or what a child of a telling name does instead.
func serveAs(name string) int {
	say := func(message []byte) { _ = unix.Sendto(controlFD, message, unix.MSG_NOSIGNAL, nil) }
	tell := func(k kind, body any) {
		message, err := encode(k, body)
		if err != nil {
			panic(err)
		}
		say(message)
	}
	wait := func() { _, _ = unix.Read(controlFD, make([]byte, maxMessage)) }
	if file, mortal := strings.CutPrefix(name, "mortal "); mortal {
		name = "host"
		if _, err := os.Stat(file); err == nil {
			name = "dies"
		}
	}
	switch name {
	case "dies":
		return 3
	case "nonsense":
		say([]byte("nonsense"))
	case "long nonsense":
		say(append([]byte{version, byte(noted)}, strings.Repeat("{", 60000)...))
		tell(refused, "as agreed")
	case "silent":
		for {
			wait()
		}
	case "floods":
		for i := range 3 * maxNotes {
			tell(noted, fmt.Sprintf("note\n\x1b[2J %d", i))
			tell(noted, "the same")
		}
		tell(ready, nil)
		wait()
		wait()
	case "drained":
		tell(ready, nil)
		tell(drained, nil)
		tell(noted, "it is said")
		select {}
	case "deaf":
		tell(ready, nil)
		select {}
	default:
		return Serve()
	}
	wait()
	wait()
	return 0
}

func TestChildThatDoesNotGetReadyIsAnErrorOfStart(t *testing.T) {
	for name, want := range map[string]string{
		"dies":          "exit status 3",
		"nonsense":      "bad message",
		"long nonsense": "as agreed",
		"silent":        "does not get ready",
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t, func() {
				h := newHost(t, hostConfig(t, name))
				if name == "silent" {
					h.startLimit = 100 * time.Millisecond
				}
				if err := h.Start(); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Start = %v, want an error with %q", err, want)
				}
				h.Stop()
			})
		})
	}
}

// shortPath is of a file that is not there. It has room in a name, beside a word.
func shortPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "x")
}

func TestChildCannotFloodTheLog(t *testing.T) {
	h := newHost(t, hostConfig(t, "floods"))
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	notes := h.noted()
	if len(notes) != maxNotes {
		t.Errorf("%d notes, want %d", len(notes), maxNotes)
	}
	if notes[0] != "note  [2J 0" || notes[1] != "the same" || notes[2] != "note  [2J 1" {
		t.Errorf("told %q, want each text once, and on one line", notes[:3])
	}
}

func TestChildThatDoesNotStopIsKilled(t *testing.T) {
	leavesNothing(t, func() {
		h := newHost(t, hostConfig(t, "deaf"))
		h.stopLimit = 50 * time.Millisecond
		if err := h.Start(); err != nil {
			t.Fatal(err)
		}
		p := h.current()
		h.Stop()
		if p.ended != "signal: killed" {
			t.Errorf("the child ended by %q, want a kill", p.ended)
		}
	})
}

func TestChildrenThatDieAtOnceAreTriedAgainMoreSlowly(t *testing.T) {
	plague := shortPath(t)
	h := newHost(t, hostConfig(t, "mortal "+plague))
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(plague, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.kill()
	waittest.Until(t, "two lines", func() bool { return len(h.noted()) >= 2 })
	notes := h.noted()
	if len(notes) != 2 || !strings.Contains(notes[0], "died: signal: killed") || !strings.Contains(notes[1], "exit status 3") {
		t.Errorf("told %q, want the death and the failure, each once", notes)
	}
	if n := h.count(selfstats.EngineRestarts); n != 0 {
		t.Errorf("%d restarts counted, want none that did not succeed", n)
	}
	if err := os.Remove(plague); err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "a child that lives", func() bool { return h.current() != nil })
	waittest.Until(t, "a line about it", func() bool { return len(h.noted()) == 3 })
}

// What a child has spoiled is its own: counters may be wrong after that, but measuring goes on.
func TestChildThatSpoilsItsMemoryDoesNoHarm(t *testing.T) {
	h := newHost(t, hostConfig(t, "host"))
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	h.Add(h.session(1))
	h.measured(1)
	mapped := h.current().memory.mapped
	for i := range mapped {
		mapped[i] = 0xff
	}
	_ = h.Totals()
	h.kill()
	waittest.Until(t, "another child", func() bool { return h.count(selfstats.EngineRestarts) > 0 && h.current() != nil })
	h.forget()
	h.measured(1) // not only in some thousand years
}

// A child that was stopped, or was taken over, does not hold up the end.
func TestChildThatDoesNotDrainIsNotWaitedForLongerThanItsProbes(t *testing.T) {
	h := newHost(t, hostConfig(t, "deaf"))
	h.drainSlack, h.stopLimit = 50*time.Millisecond, 50*time.Millisecond
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	s := h.session(1)
	s.Timeout = 100 * time.Millisecond
	begin := time.Now()
	h.Add(s)
	waittest.Until(t, "some slots", func() bool { return time.Since(begin) > 50*time.Millisecond })
	drained := h.Drain()
	most := uint64(time.Since(begin)/s.Interval) + 1
	select {
	case <-drained:
	case <-time.After(waittest.Patience()):
		t.Error("Drain does not end")
	}
	h.Stop()
	if skipped := h.Totals().Skipped(); skipped < 49 || skipped > most {
		t.Errorf("%d slots skipped, want those from Add to Drain, 49 to %d", skipped, most)
	}
}

func TestChildThatClaimsToBeDrainedIsNotBelieved(t *testing.T) {
	h := newHost(t, hostConfig(t, "drained"))
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "the claim", func() bool { return len(h.noted()) > 0 })
	select {
	case <-h.Drain():
		t.Error("Drain is over at once")
	default:
	}
}

func (h *host) kill() {
	h.t.Helper()
	if err := h.current().child.Signal(syscall.SIGKILL); err != nil {
		h.t.Fatal(err)
	}
}
