package isolation

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

func TestChildThatStandsStillIsTold(t *testing.T) {
	for _, test := range []struct {
		name     string
		sessions bool
	}{{"with a session", true}, {"that only answers", false}} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t, hostConfig(t, "host"))
			h.hungAfter = 2 * time.Second // a loop without sessions goes round once a second
			if test.sessions {
				h.Add(h.session(1))
			}
			if err := h.Start(); err != nil {
				t.Fatal(err)
			}
			child := h.current().child
			if err := h.Trouble(); err != nil {
				t.Errorf("Trouble of a child that measures = %v, want none", err)
			}
			must(t, child.Signal(syscall.SIGSTOP))
			waittest.Until(t, "trouble", func() bool { return h.Trouble() != nil })
			if err := h.Trouble(); !strings.HasSuffix(err.Error(), "stands still") {
				t.Errorf("Trouble = %v, want that it stands still", err)
			}
			must(t, child.Signal(syscall.SIGCONT))
			waittest.Until(t, "no trouble", func() bool { return h.Trouble() == nil })
			notes := ""
			waittest.Until(t, "a note that it goes on", func() bool {
				notes = strings.Join(h.noted(), "\n")
				return strings.Contains(notes, "goes on; ")
			})
			if strings.Count(notes, "stands still: nothing is measured") != 1 || strings.Count(notes, "goes on; ") != 1 {
				t.Errorf("notes:\n%s\nwant one for either", notes)
			}
		})
	}
}

func TestNoChildIsTrouble(t *testing.T) {
	h := newHost(t, hostConfig(t, "host"))
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	h.kill()
	waittest.Until(t, "trouble", func() bool { return h.Trouble() != nil })
	waittest.Until(t, "another child", func() bool { return h.Trouble() == nil })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
