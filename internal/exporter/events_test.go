package exporter_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

func TestEventsAreLoggedInWords(t *testing.T) {
	const refused = int64(syscall.ECONNREFUSED)
	reason := syscall.ECONNREFUSED.Error()
	tests := []struct {
		id     measurement.SessionID
		event  measurement.Event
		detail int64
		want   string
	}{
		{1, measurement.EventAnswering, 0, `info target "foo" (udp) answers`},
		{1, measurement.EventSilent, 0, `warn target "foo" (udp) does not answer`},
		{1, measurement.EventUnreachable, refused, `warn target "foo" (udp) is unreachable: ` + reason},
		{1, measurement.EventUnreachable, 0, `warn target "foo" (udp) is unreachable`},
		{2, measurement.EventConnected, 0, `info tcp connection to "bar" is up`},
		{2, measurement.EventDisconnected, refused, `warn tcp connection to "bar" is down: ` + reason},
		{2, measurement.EventDisconnected, 0, `warn tcp connection to "bar" is down: closed by the peer`},
		{2, measurement.EventSilent, 0, `warn target "bar" (tcp) does not answer`},
		{1, measurement.EventSendFailed, refused, `warn sending to target "foo" (udp) fails: ` + reason},
		{1, measurement.EventSendWorks, 0, `info sending to target "foo" (udp) works again`},
		{0, measurement.EventSessionsFull, 4096, `warn session table is full (4096): new sessions are refused`},
		{0, measurement.EventClockStep, int64(2 * time.Second), `warn wall clock stepped by 2s; delays across the step are not published`},
		{0, measurement.EventClockStep, -1500e6, `warn wall clock stepped by -1.5s; delays across the step are not published`},
		{0, measurement.EventSilent, 0, `warn the engine does not answer`},
		{1, measurement.EventStamp, 0, `info target "foo" (udp) speaks STAMP`},
		{1, measurement.EventText, 0, `warn target "foo" (udp) does not answer STAMP: going back to text`},
		{1, measurement.EventRemarked, 46 << 10, `warn probes to target "foo" (udp) arrive with DSCP 0, ECN 0 instead of DSCP 46, ECN 0`},
		{1, measurement.EventRemarked, (63<<2|2)<<8 | 8<<2 | 3, `warn probes to target "foo" (udp) arrive with DSCP 8, ECN 3 instead of DSCP 63, ECN 2`},
		{1, measurement.EventRemarked, 3, `warn probes to target "foo" (udp) arrive with DSCP 0, ECN 3 instead of DSCP 0, ECN 0`},
		{1, measurement.EventRemarked, 46<<10 | 46<<2, `info probes to target "foo" (udp) arrive as they were sent again, with DSCP 46, ECN 0`},
		{1, measurement.EventTTL, 249, `info probes to target "foo" (udp) arrive with TTL 249`},
		{0, measurement.EventClockError, -1, `warn clock of this host is not synchronised: one-way delays carry an unknown error`},
		{0, measurement.EventClockError, 1_234_000, `warn clock of this host is inexact: one-way delays carry ± 1.23ms`},
		{0, measurement.EventClockError, int64(16 * time.Second), `warn clock of this host is inexact: one-way delays carry ± 16s`},
		{0, measurement.EventClockError, 0, `info clock of this host is good again: one-way delays carry less than ± 1ms`},
	}
	var log logBuffer
	var called []exporter.Event
	r := newRing(t, 64)
	e := exporter.New(exporter.Config{Log: log.logger(), OnEvent: func(ev exporter.Event) { called = append(called, ev) }})
	e.AddRing(r)
	addSession(t, e, measurement.Session{ID: 1, Target: "foo", Transport: measurement.UDP})
	addSession(t, e, measurement.Session{ID: 2, Target: "bar", Transport: measurement.TCP})
	var want strings.Builder
	for _, tt := range tests {
		push(t, r, measurement.NewEvent(tt.id, at, tt.event, tt.detail))
		level, message, _ := strings.Cut(tt.want, " ")
		fmt.Fprintf(&want, "{\"level\":%q,\"message\":%q}\n", level, message)
	}
	runOnce(t, e)

	if log.String() != want.String() {
		t.Errorf("log:\n%s\nwant:\n%s", log.String(), want.String())
	}
	if len(called) != len(tests) {
		t.Fatalf("OnEvent was called %d times, want %d", len(called), len(tests))
	}
	for i, tt := range tests {
		got := called[i]
		probed := tt.id == 1 || tt.id == 2
		if got.ID != tt.id || got.Kind != tt.event || got.Detail != tt.detail || got.At != at || (got.Session != nil) != probed {
			t.Errorf("event %d = %+v, want %+v with a Session: %v", i, got, tt, probed)
		}
	}
}

func TestOnEventMayCallTheExporterAndBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var e *exporter.Exporter
		b := &backend{name: "fake"}
		e = exporter.New(exporter.Config{OnEvent: func(ev exporter.Event) {
			e.RemoveSession(ev.ID)
			<-release
		}})
		r := newRing(t, 4096)
		e.AddRing(r)
		e.AddBackend(b, exporter.Pacing{})
		addSession(t, e, measurement.Session{ID: 1})
		addSession(t, e, measurement.Session{ID: 2})
		stop := start(e)
		for range 2000 { // more than are queued
			push(t, r, measurement.NewEvent(1, at, measurement.EventSilent, 0))
		}
		push(t, r, metric(2, measurement.UDPRTT, 1))
		time.Sleep(time.Second)
		if len(b.got()) != 1 {
			t.Errorf("%d points while OnEvent blocks, want 1", len(b.got()))
		}
		if dropped := e.Counters().EventsDropped; dropped < 900 || dropped > 1000 {
			t.Errorf("%d events dropped, want those beyond the queue of 1024", dropped)
		}
		close(release)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestEventsDoNotFloodTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		r := newRing(t, 4096)
		e := exporter.New(exporter.Config{Log: log.logger()})
		e.AddRing(r)
		addSession(t, e, measurement.Session{ID: 1})
		stop := start(e)
		for range 10 {
			for range 90 {
				push(t, r, measurement.NewEvent(1, at, measurement.EventSilent, 0))
			}
			time.Sleep(60 * time.Millisecond)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		lines := strings.Count(log.String(), "\n")
		if lines != 501 || !strings.Contains(log.String(), "400 more changes of state were not logged") {
			t.Errorf("%d lines, want 500 and one for the other 400", lines)
		}
	})
}
