package serverstest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

const (
	pollInterval = 10 * time.Millisecond
	// logTail is how much of a server's output the log of a failed test shows.
	logTail = 4 << 10
)

// Server is one server process of one test. Its methods must be called from that test's goroutine; the
// fields do not change and may be read from anywhere.
type Server struct {
	// Addr is "127.0.0.1:port" of its HTTP interface, while it is down too. "" if it has none.
	Addr string
	// Dir holds its data, which lives as long as the test.
	Dir string

	t       testing.TB
	name    string
	args    []string // the command
	env     []string // beside the test's own
	probe   func() error
	client  *http.Client
	process *process // nil when it does not run
}

// newServer returns a server with a folder of its own that is not started yet.
func newServer(t testing.TB, name string) *Server {
	t.Helper()
	return &Server{
		t: t, name: name, Dir: t.TempDir(),
		// A connection that is kept would outlive the server that it leads to.
		client: &http.Client{Timeout: waittest.Patience(), Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

// launch starts the server for the first time, and has it end with the test.
func (s *Server) launch() {
	s.t.Helper()
	s.t.Cleanup(func() {
		s.Kill() // no need for a clean end: the data go, too
		if s.t.Failed() {
			s.t.Logf("the last output of %s:\n%s", s.name, s.output())
		}
	})
	s.start()
}

// Kill ends the server at once (SIGKILL), if it runs.
func (s *Server) Kill() {
	s.t.Helper()
	s.end(syscall.SIGKILL)
}

// Stop ends the server in its orderly way (SIGTERM), if it runs.
func (s *Server) Stop() {
	s.t.Helper()
	s.end(syscall.SIGTERM)
}

// Restart starts the server at the same address with the same data, and returns when it answers. A
// server that runs is stopped before.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.start()
}

// Pause holds a running server (SIGSTOP): connections are still accepted, by the kernel, and nothing
// answers from when it returns.
func (s *Server) Pause() {
	s.t.Helper()
	s.running("pause", (*process).pause)
}

// Resume lets a paused server go on.
func (s *Server) Resume() {
	s.t.Helper()
	s.running("resume", (*process).resume)
}

// running does what only a process that runs lets be done.
func (s *Server) running(what string, do func(*process) error) {
	s.t.Helper()
	if s.process == nil {
		s.t.Fatalf("%s %s: it does not run", what, s.name)
	}
	if err := do(s.process); err != nil {
		s.t.Fatalf("%s %s: %v", what, s.name, err)
	}
}

// start runs the command and returns when the server answers.
func (s *Server) start() {
	s.t.Helper()
	log, err := os.OpenFile(s.logName(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(s.args[0], s.args[1:]...)
	cmd.Dir = s.Dir
	cmd.Env = append(append(os.Environ(), "TZ=UTC"), s.env...)
	cmd.Stdout, cmd.Stderr = log, log
	if s.process, err = startProcess(cmd); err != nil {
		s.t.Fatalf("start %s: %v", s.name, err)
	}
	if err := s.awaitReady(); err != nil {
		s.t.Fatalf("%s does not answer: %v", s.name, err)
	}
}

// awaitReady returns when the probe succeeds, or with the reason why it never will.
func (s *Server) awaitReady() error {
	deadline := time.After(waittest.Patience())
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		err := s.probe()
		select {
		case <-s.process.exited:
			return fmt.Errorf("it has ended: %s", s.process.cmd.ProcessState)
		default:
		}
		if err == nil {
			return nil
		}
		select {
		case <-deadline:
			return err
		case <-poll.C:
		}
	}
}

// end sends a signal that ends the process, and waits for that.
func (s *Server) end(sig syscall.Signal) {
	s.t.Helper()
	if s.process == nil {
		return
	}
	if err := s.process.end(sig, waittest.Patience()); err != nil {
		s.t.Errorf("end %s: %v", s.name, err)
	}
	s.process = nil
}

func (s *Server) logName() string { return filepath.Join(s.Dir, "output.log") }

// output returns the end of what the server printed since the test began.
func (s *Server) output() string {
	content, err := os.ReadFile(s.logName())
	if err != nil {
		return err.Error()
	}
	return string(content[max(0, len(content)-logTail):])
}

// answers makes a probe of a path that is served as soon as everything is.
func (s *Server) answers(path string) func() error {
	return func() error {
		_, err := s.get(path)
		return err
	}
}

// get returns what the server has at a path.
func (s *Server) get(path string) (string, error) {
	return s.do(http.MethodGet, path, nil)
}

// post sends a form and returns the answer.
func (s *Server) post(path string, form url.Values) (string, error) {
	return s.do(http.MethodPost, path, strings.NewReader(form.Encode()),
		"Content-Type", "application/x-www-form-urlencoded")
}

// do makes a request with headers, given as name, value, …; a status other than 2xx is an error.
func (s *Server) do(method, path string, body io.Reader, headers ...string) (string, error) {
	request, err := http.NewRequestWithContext(context.Background(), method, "http://"+s.Addr+path, body)
	if err != nil {
		return "", err
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode/100 != 2 {
		return "", fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(content)))
	}
	return string(content), nil
}

// accepts reports whether something listens at the address.
func accepts(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, waittest.Patience())
	if err != nil {
		return err
	}
	return conn.Close()
}
