package isolation

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/engine"
	"github.com/latency-monitor/latency-monitor/internal/privilege"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// The descriptors that a child starts with, behind the standard ones. Those that are lent follow.
const (
	controlFD = 3 + iota
	memoryFD
	wakeFD
	firstLentFD
)

// processName is what ps -e and top show of a child; at most 15 octets (proc(5), comm).
const processName = "latency-engine"

// vitalsEvery is how often a child counts what it has allocated.
const vitalsEvery = time.Second

// Serve is the whole life of a child: it runs an engine as the parent says, until the parent says stop
// or is no more. It returns the process's exit status, and wants the process to end then: it changes
// signals, limits and rights for good.
func Serve() int {
	runtime.LockOSThread() // else a loop may get the main thread, and its name is the process's
	nameThreads()
	// A terminal and systemd signal all processes; when to stop is for the parent to say.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	c := &child{commands: make(chan []byte)}
	if err := c.start(); err != nil {
		c.tell(refused, err.Error())
		fmt.Fprintln(os.Stderr, "latency-monitor engine-process:", err)
		return 1
	}
	return c.run()
}

// nameThreads names the threads that there are; later ones get the name of those that start them.
// Nothing depends on it.
func nameThreads() {
	threads, _ := filepath.Glob("/proc/self/task/*/comm")
	for _, file := range threads {
		_ = os.WriteFile(file, []byte(processName), 0)
	}
}

// child is the process with the loops.
type child struct {
	setup    setup
	memory   *memory
	engine   *engine.Engine
	commands chan []byte // messages from the parent; closed when it is no more
	vitals   vitals
	limit    memoryLimit
	buf      [maxMessage]byte // receive's
}

// start brings the loops to run, and gives up all rights that they do not need.
func (c *child) start() error {
	if err := c.receiveSetup(); err != nil {
		return err
	}
	var err error
	if c.memory, err = mapMemory(memoryFD, c.setup.Engine.RingSize); err != nil {
		return err
	}
	if c.setup.LockMemory {
		c.note(privilege.LockMemory())
	} else {
		c.note(DropImage())
	}
	c.note(privilege.DropCapabilities()...) // in case that the parent could not
	c.note(privilege.LeaveFileSystem())
	config := c.setup.Engine
	config.Outputs, config.Lent, config.Note = c.memory.outputs, c.setup.Lent, c.tellNote
	for _, out := range config.Outputs {
		out.Ring.OnSleeper(wakeParent)
	}
	if c.engine, err = engine.New(config); err != nil {
		return err
	}
	c.note(privilege.FilterSystemCalls())
	c.limit = newMemoryLimit(config)
	debug.SetMemoryLimit(c.limit.octets())
	c.vitals = newVitals(c.memory.process)
	if err := c.engine.Start(); err != nil {
		return err
	}
	c.tell(ready, nil)
	return nil
}

// receiveSetup waits for the first message. That there is none from a parent of ours is how somebody
// who started this process by hand is found out.
func (c *child) receiveSetup() error {
	if t, err := unix.GetsockoptInt(controlFD, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || t != unix.SOCK_SEQPACKET {
		return errors.New("this is not for you to start: latency-monitor does so itself")
	}
	message, err := c.receive()
	if err != nil {
		return err
	}
	k, body, err := decode(message)
	if err == nil && k != configure {
		err = fmt.Errorf("%w: the first is of kind %d, want %d", errMessage, k, configure)
	}
	if err != nil {
		return err
	}
	c.setup, err = decodeBody[setup](body)
	return err
}

// wakeParent wakes the parent, on a loop's thread.
func wakeParent() {
	one := [8]byte{0: 1, 7: 1}        // a number that is not 0 in either byte order
	_, _ = unix.Write(wakeFD, one[:]) // fails when the counter is full only, and then we are heard anyway
}

// run obeys the parent.
func (c *child) run() int {
	go c.listen()
	tick := time.NewTicker(vitalsEvery)
	defer tick.Stop()
	var settled <-chan struct{}
	for {
		select {
		case message, ok := <-c.commands:
			if !ok {
				return 1 // the parent is no more: there is nobody to measure for
			}
			switch k := c.obey(message); k {
			case drain:
				settled = c.engine.Drain()
			case stop:
				c.engine.Stop()
				c.vitals.count()
				return 0
			}
		case <-settled:
			settled = nil
			c.tell(drained, nil)
		case err := <-c.engine.Failed():
			c.tell(failed, err.Error())
			return 1
		case <-tick.C:
			c.vitals.count()
		}
	}
}

// listen passes on what the parent sends.
func (c *child) listen() {
	defer close(c.commands)
	for {
		message, err := c.receive()
		if err != nil {
			return
		}
		c.commands <- message
	}
}

// obey carries out a command and returns its kind. The parent does not send bad ones; 0 stands for one.
func (c *child) obey(message []byte) kind {
	k, body, err := decode(message)
	if err != nil {
		return 0
	}
	switch k {
	case add:
		if a, err := decodeBody[addition](body); err == nil {
			debug.SetMemoryLimit(c.limit.add(a.Session))
			c.engine.Resume(a.Session, a.Since)
		}
	case remove:
		if id, err := decodeBody[measurement.SessionID](body); err == nil {
			debug.SetMemoryLimit(c.limit.remove(id))
			c.engine.Remove(id)
		}
	}
	return k
}

// receive waits for a message from the parent. io.EOF: there is no parent any more.
func (c *child) receive() ([]byte, error) {
	for {
		n, err := unix.Read(controlFD, c.buf[:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, os.NewSyscallError("read", err)
		case n == 0:
			return nil, io.EOF
		default:
			return slices.Clone(c.buf[:n]), nil
		}
	}
}

func (c *child) note(refused ...error) {
	for _, err := range refused {
		if err != nil {
			c.tellNote(fmt.Sprintf("engine process: %v: going on without", err))
		}
	}
}

func (c *child) tellNote(text string) { c.tell(noted, text) }

// tell sends a message to the parent, without waiting for room: a parent that was stopped must not
// stop us. There is room for hundreds of messages.
func (c *child) tell(k kind, body any) {
	message, err := encode(k, body)
	if err != nil {
		return
	}
	_ = unix.Sendto(controlFD, message, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil)
}
