package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/config"
	"github.com/latency-monitor/latency-monitor/internal/privilege"
	"github.com/latency-monitor/latency-monitor/pkg/latencymonitor"
)

// daemon is the assembled program.
type daemon struct {
	log      zerolog.Logger
	config   config.Config
	identity privilege.Identity
	monitor  *latencymonitor.Monitor
	measures atomic.Bool
}

// run measures until a signal, and returns the exit status.
func (d *daemon) run() int {
	// A write to a closed pipe must come back as an error instead of ending the program.
	signal.Ignore(syscall.SIGPIPE)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as it is under nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	defer d.monitor.Close() // its error is told by whoever begins with it
	if err := d.dropPrivileges(); err != nil {
		return d.fail(err)
	}
	if status, ok := d.begin(signals); !ok {
		return status
	}
	d.measures.Store(true)
	defer d.measures.Store(false)
	d.announce()
	if _, err := d.monitor.AddTargets(targets(d.config)...); err != nil {
		return d.fail(err)
	}
	if err := saveMemory(d.monitor.Stats().Isolated); err != nil {
		d.log.Warn().Msgf("give back memory that only the start needed: %v: going on without", err)
	}
	return d.wait(signals)
}

// begin starts the monitor. When it does not start, or a signal comes before, ok is false.
func (d *daemon) begin(signals <-chan os.Signal) (status int, ok bool) {
	started := make(chan error, 1)
	go func() { started <- d.monitor.Start(context.Background()) }()
	select {
	case err := <-started:
		if err == nil {
			return exitOK, true
		}
		// A terminal's Ctrl-C is for the engine process too, and may end it while that is starting.
		select {
		case <-signals:
			return exitOK, false
		case <-time.After(sameSignal):
		}
		return d.fail(err), false
	case <-signals:
		d.monitor.Close()
		<-started
		return exitOK, false
	}
}

// dropPrivileges gives up all rights: what needs any is done. What the system refuses is told. But if
// root can't become who it should, that ends the daemon.
func (d *daemon) dropPrivileges() error {
	if d.config.Engine.LockMemory {
		_ = privilege.UnlimitLockedMemory() // who locks memory tells of a limit that is in its way
	}
	var refused []error
	switch err := d.identity.Become(); {
	case errors.Is(err, privilege.ErrUnprivileged):
		refused = append(refused, err)
	case err != nil:
		return err
	}
	refused = append(refused, privilege.DropCapabilities()...)
	for _, err := range refused {
		if err != nil {
			d.log.Warn().Msg(err.Error() + ": going on without")
		}
	}
	return nil
}

// fail logs what ends the daemon and returns its exit status.
func (d *daemon) fail(err error) (status int) {
	d.log.WithLevel(zerolog.FatalLevel).Msg(err.Error())
	return exitFailure
}

// wait returns when the monitor has ended: after a signal; when the reader of our output has gone; or
// when a loop failed, of both of which the monitor tells.
func (d *daemon) wait(signals <-chan os.Signal) (status int) {
	select {
	case s := <-signals:
		d.log.Info().Str("signal", s.String()).Msg("stopping: waiting for the last replies")
		d.measures.Store(false)
		go d.exitOnNext(signals)
		d.monitor.Close()
	case <-d.monitor.Done():
	}
	if err := d.monitor.Err(); err != nil && !errors.Is(err, latencymonitor.ErrBackendClosed) {
		return exitFailure
	}
	return exitOK
}

// sameSignal is how soon a second signal is the first one's echo: timeout(1) signals the program and
// then its process group.
const sameSignal = 20 * time.Millisecond

// lastWord is how long the last line of the log may take: whoever signals again wants the end.
const lastWord = 200 * time.Millisecond

// exitOnNext ends the program at once on another signal, whatever it waits for, and be it that nobody reads
// the log.
func (d *daemon) exitOnNext(signals <-chan os.Signal) {
	first := time.Now()
	for s := range signals {
		if time.Since(first) <= sameSignal {
			continue
		}
		said := make(chan struct{})
		go func() {
			defer close(said)
			d.log.Warn().Str("signal", s.String()).Msg("another signal: ending at once; what backends have not taken is lost")
		}()
		select {
		case <-said:
		case <-time.After(lastWord):
		}
		os.Exit(exitFailure)
	}
}
