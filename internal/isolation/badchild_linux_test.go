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
		for i := range 3 * notesPerChild {
			tell(noted, fmt.Sprint("note ", i))
		}
		tell(ready, nil)
		wait()
		wait()
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
				h.startLimit = 500 * time.Millisecond
				if err := h.Start(); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Start = %v, want an error with %q", err, want)
				}
				h.Stop()
			})
		})
	}
}

func TestChildCannotFloodTheLog(t *testing.T) {
	h := newHost(t, hostConfig(t, "floods"))
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	if n := len(h.noted()); n != notesPerChild {
		t.Errorf("%d notes, want %d", n, notesPerChild)
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
	plague := filepath.Join(t.TempDir(), "plague")
	h := newHost(t, hostConfig(t, "mortal "+plague))
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(plague, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.kill()
	eventually(t, "two restarts", func() bool { return h.count(selfstats.EngineRestarts) >= 2 })
	notes := h.noted()
	if len(notes) != 2 || !strings.Contains(notes[0], "died: signal: killed") || !strings.Contains(notes[1], "exit status 3") {
		t.Errorf("told %q, want the death and the failure, each once", notes)
	}
	if err := os.Remove(plague); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a child that lives", func() bool { return h.current() != nil })
	eventually(t, "a line about it", func() bool { return len(h.noted()) == 3 })
}

// The parent learns nothing that a child can hide, and keeps nothing that it can spoil.
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
	eventually(t, "another child", func() bool { return h.count(selfstats.EngineRestarts) > 0 && h.current() != nil })
	h.forget()
	h.measured(1) // not only in some thousand years
}

func (h *host) kill() {
	h.t.Helper()
	if err := h.current().child.Signal(syscall.SIGKILL); err != nil {
		h.t.Fatal(err)
	}
}
