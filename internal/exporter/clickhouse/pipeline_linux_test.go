package clickhouse

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// pipeline is an exporter with one ring and a backend of this package, as in the daemon.
type pipeline struct {
	t        *testing.T
	exporter *exporter.Exporter
	ring     *ring.SPSC
	log      *logBuffer
	produced int
	end      context.CancelFunc
	ended    chan error
}

type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write appends to the log.
func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is the log so far.
func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func startPipeline(t *testing.T, c Config, pacing exporter.Pacing, series int) *pipeline {
	t.Helper()
	r, err := ring.New(1 << 17)
	if err != nil {
		t.Fatal(err)
	}
	p := &pipeline{t: t, ring: r, log: new(logBuffer), ended: make(chan error, 1)}
	p.exporter = exporter.New(exporter.Config{Log: zerolog.New(p.log)})
	p.exporter.AddRing(r)
	p.exporter.AddBackend(mustNew(t, c), pacing)
	for i := range series {
		session := measurement.Session{
			ID: measurement.SessionID(i + 1), Source: "prober", Target: fmt.Sprintf("target-%d", i),
			Tags: []string{"isp:local", "site:praha"},
		}
		if err := p.exporter.AddSession(session); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.end = cancel
	go func() {
		defer close(p.ended)
		p.ended <- p.exporter.Run(ctx)
	}()
	t.Cleanup(func() { // before the backend is closed
		cancel()
		for range p.ended {
		}
	})
	return p
}

// produce makes points for some time, rate of each of the series per second. Their values count up.
func (p *pipeline) produce(series, rate int, duration time.Duration) {
	p.t.Helper()
	const step = 10 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	began := time.Now()
	for done, slots := 0, int(duration.Seconds()*float64(rate)); done < slots; {
		due := min(slots, int(time.Since(began).Seconds()*float64(rate)))
		for ; done < due; done++ {
			for s := range series {
				p.push(s)
			}
		}
		<-tick.C
	}
}

func (p *pipeline) push(series int) {
	p.ring.Push(&measurement.Sample{
		Session: measurement.SessionID(series + 1), Kind: measurement.KindMetric, Metric: measurement.UDPRTT,
		Time: time.Now().UnixNano(), Value: int64(p.produced),
	})
	p.produced++
}

func (p *pipeline) counters() exporter.BackendCounters { return p.exporter.Counters().Backends[0] }

// await waits until a condition holds, but not forever.
func (p *pipeline) await(what string, holds func() bool) {
	p.t.Helper()
	limit := 2 * waittest.Patience() // pauses between attempts grow to half a minute
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("no %s in %v; counters %+v, log:\n%s", what, limit, p.counters(), p.log)
		}
	}
}

// awaitLog waits for a text in the log.
func (p *pipeline) awaitLog(text string) {
	p.t.Helper()
	p.await(fmt.Sprintf("%q in the log", text), func() bool { return strings.Contains(p.log.String(), text) })
}

// finish ends the exporter, and checks that everything produced is accounted for.
func (p *pipeline) finish() exporter.BackendCounters {
	p.t.Helper()
	p.end()
	if err := <-p.ended; err != nil {
		p.t.Errorf("Run = %v", err)
	}
	all, c := p.exporter.Counters(), p.counters()
	if all.RingDropped != 0 || c.Queued != 0 || int(c.Sent+c.Dropped+c.Failed) != p.produced {
		p.t.Errorf("counters = %+v, want %d points sent, dropped or failed", all, p.produced)
	}
	return c
}
