package main

import (
	"errors"

	"github.com/latency-monitor/latency-monitor/internal/config"
	"github.com/latency-monitor/latency-monitor/internal/engine"
	"github.com/latency-monitor/latency-monitor/internal/isolation"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// measurer is an engine, in this process (engine.Engine) or in one of its own (isolation.Engine).
type measurer interface {
	Start() error
	Add(s measurement.Session)
	Drain() <-chan struct{}
	Failed() <-chan error
	Stop()
	Mode() engine.Mode
	Totals() selfstats.Totals
}

// makeEngine opens the sockets, and does all else that needs privilege.
func (d *daemon) makeEngine() (err error) {
	c := engineConfig(d.config, d.note)
	if d.isolated, err = d.isolate(); err != nil {
		return err
	}
	if d.isolated {
		c.Mode = engine.Linux
		d.engine, err = isolation.New(isolation.Config{
			Engine: c, LockMemory: d.config.Engine.LockMemory, Consumer: d.exporter,
		})
		return err
	}
	return d.makeInProcess(c)
}

// makeInProcess makes an engine in this process.
func (d *daemon) makeInProcess(c engine.Config) error {
	e, err := engine.New(c)
	if err != nil {
		return err
	}
	for _, r := range e.Rings() {
		d.exporter.AddRing(r)
	}
	d.engine = e
	return nil
}

// startEngine starts the engine. If its own process does not start, and nobody insisted on one, it runs
// in this one, on the same sockets.
func (d *daemon) startEngine() error {
	err := d.engine.Start()
	isolated, ok := d.engine.(*isolation.Engine)
	switch {
	case err == nil || !ok || errors.Is(err, isolation.ErrStopped):
		return err
	case d.config.Engine.Isolate == config.IsolateTrue:
		return err
	}
	d.note(err.Error() + ": measuring in the daemon's own process")
	c := engineConfig(d.config, d.note)
	c.Mode, c.Lent = engine.Linux, isolated.Release()
	d.isolated = false
	if err := d.makeInProcess(c); err != nil {
		return err
	}
	return d.engine.Start()
}

// addSession and totals are of the engine that is in use.
func (d *daemon) addSession(s measurement.Session) { d.engine.Add(s) }
func (d *daemon) totals() selfstats.Totals         { return d.engine.Totals() }

// isolate decides whether the engine gets a process of its own. The error says why it can't have one
// although it was asked for.
func (d *daemon) isolate() (bool, error) {
	c := d.config.Engine
	if c.Isolate == config.IsolateFalse || c.Mode == config.EnginePortable {
		return false, nil
	}
	err := isolation.Available()
	if err == nil {
		err = engine.Works(engine.Linux)
	}
	switch {
	case err == nil:
		return true, nil
	case c.Isolate == config.IsolateTrue:
		return false, err
	case !errors.Is(err, errors.ErrUnsupported): // nobody expects it there
		d.note(err.Error() + ": measuring in the daemon's own process")
	}
	return false, nil
}

func (d *daemon) note(text string) { d.log.Warn().Msg(text) }

func engineConfig(c config.Config, note func(string)) engine.Config {
	return engine.Config{
		Mode: engine.Mode(c.Engine.Mode), Name: c.Name, Address: c.Address,
		UDP: c.UDP, TCP: c.TCP, UDPPort: c.UDPPort, TCPPort: c.TCPPort,
		StampPort: c.Reflector.StampPort, Stamp: reflectorStamp(c.Reflector),
		MaxSize: c.MaxSize, MaxSessions: c.MaxSessions, Timeout: c.Timeout,
		Priority: c.Engine.RealtimePriority, CPUs: c.Engine.CPUs, Spin: c.Engine.Spin,
		Transmit: c.Engine.TxTimestamps != config.TxTimestampsOff, RingSize: c.Engine.RingSize,
		Note: note,
	}
}
