package zmtp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// python is the interpreter for which Debian's python3-zmq is installed.
const python = "/usr/bin/python3"

var libzmqMissing = sync.OnceValue(func() error { return exec.Command(python, "-c", "import zmq").Run() })

// libzmq is a process with a subscriber; see testdata/subscriber.py.
type libzmq struct {
	t       testing.TB
	process *exec.Cmd
	in      io.Writer
	out     *bufio.Reader
}

func startLibzmq(t testing.TB, kind string, address net.Addr, options ...string) *libzmq {
	t.Helper()
	if err := libzmqMissing(); err != nil {
		t.Skipf("needs python3-zmq, the subscriber of libzmq: %s: %v", python, err)
	}
	arguments := append([]string{"testdata/subscriber.py", kind, "tcp://" + address.String()}, options...)
	z := &libzmq{t: t, process: exec.Command(python, arguments...)}
	var stderr bytes.Buffer
	z.process.Stderr = &stderr
	in, err := z.process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := z.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := z.process.Start(); err != nil {
		t.Fatal(err)
	}
	z.in, z.out = in, bufio.NewReader(out)
	t.Cleanup(func() {
		z.kill()
		if stderr.Len() > 0 {
			t.Logf("%s: %s", kind, &stderr)
		}
	})
	return z
}

func (z *libzmq) kill() {
	if z.process.ProcessState == nil {
		_ = z.process.Process.Kill()
		_ = z.process.Wait()
	}
}

func (z *libzmq) signal(s syscall.Signal) {
	z.t.Helper()
	if err := z.process.Process.Signal(s); err != nil {
		z.t.Fatal(err)
	}
}

// tell gives a command, and answer reads the line that answers it.
func (z *libzmq) tell(command string, argument string) {
	z.t.Helper()
	if _, err := fmt.Fprintln(z.in, command, argument); err != nil {
		z.t.Fatal(err)
	}
}

func (z *libzmq) answer() string {
	z.t.Helper()
	line, err := z.out.ReadString('\n')
	if err != nil {
		z.kill()
		z.t.Fatalf("no answer: %v", err)
	}
	return strings.TrimSpace(line)
}

func (z *libzmq) do(command string, argument string) string {
	z.t.Helper()
	z.tell(command, argument)
	return z.answer()
}

func (z *libzmq) subscribe(topics ...string) {
	z.t.Helper()
	for _, topic := range topics {
		z.do("subscribe", hex.EncodeToString([]byte(topic)))
	}
}

func (z *libzmq) read(n int) []string {
	z.t.Helper()
	var messages []string
	for field := range strings.FieldsSeq(z.do("read", strconv.Itoa(n))) {
		m, err := hex.DecodeString(field)
		if err != nil {
			z.t.Fatal(err)
		}
		messages = append(messages, string(m))
	}
	return messages
}

func (z *libzmq) wantMessages(want ...string) {
	z.t.Helper()
	if got := z.read(len(want)); fmt.Sprint(got) != fmt.Sprint(want) {
		z.t.Errorf("libzmq got %q, want %q", got, want)
	}
}

func TestLibzmqSubscribesAndUnsubscribes(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		for _, kind := range []string{"SUB", "XSUB"} {
			t.Run(kind+" "+address, func(t *testing.T) {
				p, err := Listen(address, Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer closeNow(t, p)
				z := startLibzmq(t, kind, p.Addr())
				subscribe, unsubscribe := z.topics(kind)
				subscribe("alpha", "beta", "beta", strings.Repeat("long", 100))
				wantSubscriptions(t, p, 3)
				publish(t, p, "alph", "alpha 1", "gamma", "beta 1", strings.Repeat("long", 100))
				z.wantMessages("alpha 1", "beta 1", strings.Repeat("long", 100))
				unsubscribe("alpha", strings.Repeat("long", 100))
				wantSubscriptions(t, p, 1)
				publish(t, p, "alpha 2", "beta 2", strings.Repeat("beta", 100))
				z.wantMessages("beta 2", strings.Repeat("beta", 100))
			})
		}
	}
}

// topics returns how a socket of this kind subscribes: a SUB by options, for which it sends commands;
// the application above an XSUB by messages.
func (z *libzmq) topics(kind string) (subscribe, unsubscribe func(...string)) {
	each := func(command, prefix string) func(...string) {
		return func(topics ...string) {
			for _, topic := range topics {
				z.do(command, hex.EncodeToString([]byte(prefix+topic)))
			}
		}
	}
	if kind == "SUB" {
		return each("subscribe", ""), each("unsubscribe", "")
	}
	return each("send", "\x01"), each("send", "\x00")
}

func publish(t testing.TB, p *PUB, messages ...string) {
	t.Helper()
	for _, m := range messages {
		if err := p.Send([]byte(m)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLibzmqGets100000MessagesWithoutLoss(t *testing.T) {
	const n, subscribers = 100_000, 2
	p := listen(t, Options{HWM: 2 * n})
	var peers []*libzmq
	for i := range subscribers {
		peers = append(peers, startLibzmq(t, "SUB", p.Addr(), "RCVHWM=0"))
		peers[i].subscribe("sample")
	}
	wantSubscriptions(t, p.PUB, subscribers)
	for _, z := range peers {
		z.tell("digest", strconv.Itoa(n))
	}
	start := time.Now()
	digest := sha256.New()
	for i := range n {
		m := fmt.Appendf(nil, "sample %08d %0*d", i, sampleSize-16, 0)
		digest.Write(m)
		if err := p.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	sent := time.Since(start)
	for _, z := range peers {
		if got, want := z.answer(), hex.EncodeToString(digest.Sum(nil)); got != want {
			t.Errorf("libzmq's digest of %d messages is %s, want %s", n, got, want)
		}
	}
	t.Logf("%d messages of %d octets sent in %v, received by %d subscribers in %v", n, sampleSize, sent, subscribers, time.Since(start))
	settled(t, p)
	if s := p.Stats(); s.Sent != subscribers*n || s.Dropped+s.Abandoned+s.Unmatched != 0 {
		t.Errorf("Stats() = %+v, want %d sent", s, subscribers*n)
	}
}

// settled waits until what subscribers have got is counted, too: that is after the system took it.
func settled(t *testing.T, p *testPUB) {
	t.Helper()
	eventually(t, "nothing queued", func() bool { return p.Stats().Queued == 0 })
}

// pace publishes so many messages of 1000 octets and waits until a subscriber has got them all.
func pace(t *testing.T, p *testPUB, fast *libzmq, first, n int) {
	t.Helper()
	digest := sha256.New()
	for i := range n {
		m := fmt.Appendf(nil, "%01000d", first+i)
		digest.Write(m)
		if err := p.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := fast.do("digest", strconv.Itoa(n)), hex.EncodeToString(digest.Sum(nil)); got != want {
		t.Fatalf("digest of messages %d to %d is %s, want %s", first, first+n-1, got, want)
	}
}

// paceUntil does that until a condition holds, and returns how many messages it took.
func paceUntil(t *testing.T, p *testPUB, fast *libzmq, what string, condition func() bool) int {
	t.Helper()
	const n = 500
	sent := 0
	for deadline := time.Now().Add(patience()); !condition(); sent += n {
		if time.Now().After(deadline) {
			t.Fatalf("after %d messages still not: %s; %+v", sent, what, p.Stats())
		}
		pace(t, p, fast, sent, n)
	}
	return sent
}

func TestSlowLibzmqLosesOnlyItsOwnMessages(t *testing.T) {
	p := listen(t, Options{WriteTimeout: time.Hour})
	fast := startLibzmq(t, "SUB", p.Addr())
	slow := startLibzmq(t, "SUB", p.Addr(), "RCVHWM=1")
	fast.subscribe("")
	slow.subscribe("")
	wantSubscriptions(t, p.PUB, 2)
	n := paceUntil(t, p, fast, "1000 messages dropped", func() bool { return p.Stats().Dropped >= 1000 })
	last := hex.EncodeToString([]byte("last"))
	slow.tell("until", last)
	eventually(t, "the slow subscriber has caught up", func() bool { return p.Stats().Queued == 0 })
	p.send(t, "last")
	got, err := strconv.Atoi(slow.answer())
	if err != nil {
		t.Fatal(err)
	}
	fast.wantMessages("last")
	settled(t, p)
	s := p.Stats()
	if uint64(got)+s.Dropped != uint64(n) || s.Sent != uint64(n+got+2) || s.Subscribers != 2 {
		t.Errorf("the slow subscriber got %d of %d messages; Stats() = %+v", got, n, s)
	}
}

func TestStoppedLibzmqIsDisconnectedAndComesBack(t *testing.T) {
	p := listen(t, Options{WriteTimeout: 300 * time.Millisecond})
	fast := startLibzmq(t, "SUB", p.Addr())
	stopped := startLibzmq(t, "SUB", p.Addr())
	fast.subscribe("")
	stopped.subscribe("")
	wantSubscriptions(t, p.PUB, 2)
	stopped.signal(syscall.SIGSTOP)
	n := paceUntil(t, p, fast, "the stopped subscriber is disconnected", func() bool { return p.Stats().Expelled > 0 })
	p.wantEnd(t, ErrStalled)
	stopped.signal(syscall.SIGCONT)
	stopped.tell("until", hex.EncodeToString([]byte("last"))) // libzmq sees the end behind what it has not read
	wantSubscriptions(t, p.PUB, 2)
	p.send(t, "last")
	stopped.answer()
	fast.wantMessages("last")
	settled(t, p)
	s := p.Stats()
	if all := s.Sent + s.Dropped + s.Abandoned; s.Joined != 3 || s.Abandoned == 0 || all < uint64(n+2) || all > uint64(2*n+2) {
		t.Errorf("%d messages; Stats() = %+v, want 3 joined", n, s)
	}
}

func TestLibzmqIsKilledAndStartedAgain(t *testing.T) {
	p := listen(t, Options{})
	for i := range 3 {
		z := startLibzmq(t, "SUB", p.Addr())
		z.subscribe("m")
		wantSubscriptions(t, p.PUB, 1)
		m := fmt.Sprint("m", i)
		p.send(t, m)
		z.wantMessages(m)
		z.kill()
		eventually(t, "the killed subscriber is gone", func() bool { return p.Stats().Subscribers == 0 })
		p.send(t, "m for nobody")
	}
	if s := p.Stats(); s.Joined != 3 || s.Unmatched != 3 || s.Expelled != 0 {
		t.Errorf("Stats() = %+v, want 3 joined, 3 messages unmatched", s)
	}
}

func TestLibzmqGetsWhatIsQueuedWhenThePublisherEndsAndFindsTheNext(t *testing.T) {
	const n = 20_000
	p := listen(t, Options{HWM: n})
	z := startLibzmq(t, "SUB", p.Addr(), "RECONNECT_IVL=20")
	z.subscribe("m")
	wantSubscriptions(t, p.PUB, 1)
	digest := sha256.New()
	for i := range n {
		m := fmt.Sprintf("m%0999d", i)
		_, _ = io.WriteString(digest, m)
		p.send(t, m)
	}
	z.tell("digest", strconv.Itoa(n))
	ctx, cancel := context.WithTimeout(t.Context(), patience())
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Errorf("Close = %v", err)
	}
	if got, want := z.answer(), hex.EncodeToString(digest.Sum(nil)); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	p.wantEnd(t, nil)

	next, err := Listen(p.Addr().String(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeNow(t, next)
	wantSubscriptions(t, next, 1)
	publish(t, next, "m of the next")
	z.wantMessages("m of the next")
}

func TestHeartbeatsWithLibzmq(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{Listener: l}
	p, err := Serve(w, Options{HeartbeatInterval: 10 * time.Millisecond, HeartbeatTimeout: patience()})
	if err != nil {
		t.Fatal(err)
	}
	defer closeNow(t, p)
	z := startLibzmq(t, "SUB", p.Addr(), "HEARTBEAT_IVL=25", "HEARTBEAT_TIMEOUT=20000", "HEARTBEAT_TTL=20000")
	z.subscribe("")
	eventually(t, "20 answers each way", func() bool { return w.written.Load() >= 20 && w.read.Load() >= 20 })
	publish(t, p, "m")
	z.wantMessages("m")
	if s := p.Stats(); s.Joined != 1 || s.Subscribers != 1 {
		t.Errorf("Stats() = %+v, want the same subscriber as before", s)
	}
}

// watched counts the PONGs that its connections read and write.
type watched struct {
	net.Listener
	read, written atomic.Int64
}

func (w *watched) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	return &watchedConn{c, w}, err
}

type watchedConn struct {
	net.Conn
	w *watched
}

func (c *watchedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.w.read.Add(int64(bytes.Count(b[:n], []byte("\x04PONG"))))
	return n, err
}

func (c *watchedConn) Write(b []byte) (int, error) {
	c.w.written.Add(int64(bytes.Count(b, []byte("\x04PONG"))))
	return c.Conn.Write(b)
}
