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
	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/privilege"
	"github.com/latency-monitor/latency-monitor/internal/resolver"
)

// daemon is the assembled program.
type daemon struct {
	log      zerolog.Logger
	config   config.Config
	identity privilege.Identity
	targets  []resolver.Target
	resolver *resolver.Resolver
	engine   measurer
	isolated bool // the engine has a process of its own
	measures atomic.Bool
	exporter *exporter.Exporter
	reporter *exporter.Reporter
}

// run measures until a signal, and returns the exit status. It ends from front to back: no new
// probes, replies to the last ones, loops, rings, backends, the totals.
func (d *daemon) run() int {
	// A write to a closed pipe must come back as an error instead of ending the program.
	signal.Ignore(syscall.SIGPIPE)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as it is under nohup
		signal.Notify(signals, syscall.SIGHUP)
	}

	if err := d.dropPrivileges(); err != nil {
		d.engine.Stop()
		return d.fail(err)
	}
	exporting := start(d.exporter.Run)
	defer exporting.stop()
	if status, ok := d.begin(signals); !ok {
		d.engine.Stop()
		return status
	}
	d.measures.Store(true)
	d.announce()
	resolving := start(d.resolve)
	reporting := start(d.reporter.Run)
	status := d.wait(signals, exporting)
	resolving.stop()
	d.engine.Stop()
	exporting.stop()
	reporting.stop()
	return status
}

// begin starts the engine. When it does not start, or a signal comes before, ok is false.
func (d *daemon) begin(signals <-chan os.Signal) (status int, ok bool) {
	first := d.engine // startEngine may replace it
	starting := start(func(context.Context) error { return d.startEngine() })
	select {
	case <-starting.done:
	case <-signals:
		first.Stop()
		<-starting.done
		return exitOK, false
	}
	if starting.err == nil {
		return exitOK, true
	}
	// A terminal's Ctrl-C is for the engine process too, and may end it while that is starting.
	select {
	case <-signals:
		return exitOK, false
	case <-time.After(sameSignal):
	}
	return d.fail(starting.err), false
}

// dropPrivileges gives up all rights: what needs any is done. What the system refuses is told. But if
// root can't become who it should, that ends the daemon.
func (d *daemon) dropPrivileges() error {
	lock := d.config.Engine.LockMemory
	if lock {
		_ = privilege.UnlimitLockedMemory() // LockMemory tells of a limit that is in its way
	}
	var refused []error
	switch err := d.identity.Become(); {
	case errors.Is(err, privilege.ErrUnprivileged):
		refused = append(refused, err)
	case err != nil:
		return err
	}
	refused = append(refused, privilege.DropCapabilities()...)
	if lock && !d.isolated {
		refused = append(refused, privilege.LockMemory())
	}
	for _, err := range refused {
		if err != nil {
			d.note(err.Error() + ": going on without")
		}
	}
	return nil
}

// fail logs what ends the daemon and returns its exit status.
func (d *daemon) fail(err error) (status int) {
	d.log.WithLevel(zerolog.FatalLevel).Msg(err.Error())
	return exitFailure
}

func (d *daemon) resolve(ctx context.Context) error { return d.resolver.Run(ctx, d.targets) }

// wait returns when it is time to end: after a signal, once the last probes are settled; when the
// reader of our output has gone; or when a loop failed.
func (d *daemon) wait(signals <-chan os.Signal, exporting *task) (status int) {
	var drained <-chan struct{}
	for {
		select {
		case s := <-signals:
			d.log.Info().Str("signal", s.String()).Msg("stopping: waiting for the last replies")
			drained = d.engine.Drain()
			go exitOnNext(signals)
			signals = nil
		case <-drained:
			return exitOK
		case <-exporting.done:
			if !errors.Is(exporting.err, exporter.ErrClosed) {
				d.log.WithLevel(zerolog.FatalLevel).Err(exporting.err).Msg("exporter failed")
				return exitFailure
			}
			d.log.Info().Msg("stopping: the reader of the measurements has gone")
			return exitOK
		case err := <-d.engine.Failed():
			return d.fail(err)
		}
	}
}

// sameSignal is how soon a second signal is the first one's echo: timeout(1) signals the program and
// then its process group.
const sameSignal = 20 * time.Millisecond

// exitOnNext ends the program at once on another signal, whatever it waits for.
func exitOnNext(signals <-chan os.Signal) {
	first := time.Now()
	for range signals {
		if time.Since(first) > sameSignal {
			os.Exit(exitFailure)
		}
	}
}

// task is a running Run(ctx).
type task struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid when done is closed
}

func start(run func(context.Context) error) *task {
	ctx, cancel := context.WithCancel(context.Background())
	t := &task{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(t.done)
		t.err = run(ctx)
	}()
	return t
}

// stop ends the task and waits for it. It may be called again.
func (t *task) stop() {
	t.cancel()
	<-t.done
}
