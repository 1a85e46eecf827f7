package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
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
	resolving := start(d.resolve)
	exporting := start(d.exporter.Run)
	reporting := start(d.reporter.Run)
	status := exitFailure
	if err := d.engine.Start(); err != nil {
		d.fail(err)
	} else {
		d.announce()
		status = d.wait(signals, exporting)
	}
	resolving.stop()
	d.engine.Stop()
	exporting.stop()
	reporting.stop()
	return status
}

// dropPrivileges gives up all rights: what needs any is done. What the system refuses is told, but for
// the change of user: it must not be left out silently, and ends the daemon.
func (d *daemon) dropPrivileges() error {
	lock := d.config.Engine.LockMemory
	if lock {
		_ = privilege.UnlimitLockedMemory() // LockMemory tells of a limit that is in its way
	}
	if err := d.identity.Become(); err != nil {
		return err
	}
	refused := privilege.DropCapabilities()
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

// stop ends the task and waits for it.
func (t *task) stop() {
	t.cancel()
	<-t.done
}
