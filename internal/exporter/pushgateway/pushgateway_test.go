package pushgateway

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/internal/exporter/families"
	"github.com/latency-monitor/latency-monitor/internal/exporter/families/familiestest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// gateway is a fake of one group.
type gateway struct {
	t *testing.T

	mu       sync.Mutex
	status   int    // to answer with; 0: 200
	answer   string // with that
	requests []string
	login    string // of the last request
	group    []*dto.MetricFamily
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests = append(g.requests, r.Method+" "+r.URL.Path)
	user, password, _ := r.BasicAuth()
	g.login = user + ":" + password
	body, err := io.ReadAll(r.Body)
	if err != nil {
		g.t.Error(err)
	}
	if g.status != 0 {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(g.status)
		fmt.Fprint(w, g.answer)
		return
	}
	g.group = nil
	decoder := expfmt.NewDecoder(bytes.NewReader(body), expfmt.ResponseFormat(r.Header))
	for {
		family := new(dto.MetricFamily)
		if err := decoder.Decode(family); err != nil {
			break
		}
		g.group = append(g.group, family)
	}
	if r.Method == http.MethodDelete {
		w.WriteHeader(http.StatusAccepted)
	}
}

func (g *gateway) set(status int, answer string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.status, g.answer = status, answer
}

func (g *gateway) sum(s *exporter.Series) exportertest.Sum {
	g.mu.Lock()
	defer g.mu.Unlock()
	return familiestest.Sum(g.group, s, Grouping, nil)
}

// open starts a fake gateway and makes a backend that pushes to it.
func open(t *testing.T, change func(c *Config)) (*Backend, *gateway) {
	t.Helper()
	g := &gateway{t: t}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	c := Config{Gateway: server.URL, Job: "latency", Instance: "host a/1"}
	if change != nil {
		change(&c)
	}
	b, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return b, g
}

func TestConformance(t *testing.T) {
	exportertest.Run(t, func(t *testing.T) exportertest.Subject {
		b, g := open(t, nil)
		return exportertest.Subject{Backend: b, Summed: g.sum}
	})
}

func publish(t *testing.T, b *Backend, points []exporter.Point) {
	t.Helper()
	if err := b.Publish(context.Background(), points); err != nil {
		t.Fatal(err)
	}
}

func TestGroupIsReplacedAndDeletedAtTheEnd(t *testing.T) {
	for _, remove := range []bool{false, true} {
		b, g := open(t, func(c *Config) { c.DeleteOnExit, c.Username, c.Password = remove, "me", "secret" })
		ctx := context.Background()
		publish(t, b, exportertest.Points(4))
		if err := b.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		publish(t, b, exportertest.Points(4))
		if err := b.Close(ctx); err != nil { // pushes what is left
			t.Fatal(err)
		}
		const path = " /metrics/job/latency/instance@base64/aG9zdCBhLzE"
		want := []string{"PUT" + path, "PUT" + path}
		if remove {
			want = append(want, "DELETE"+path)
		}
		if fmt.Sprint(g.requests) != fmt.Sprint(want) || g.login != "me:secret" {
			t.Errorf("requests %q as %s, want %q as me:secret", g.requests, g.login, want)
		}
	}
}

func TestGroupThatWasNeverPushedIsNotDeleted(t *testing.T) {
	b, g := open(t, func(c *Config) { c.DeleteOnExit = true })
	if err := b.Close(context.Background()); err != nil || len(g.requests) > 0 {
		t.Errorf("Close = %v with the requests %q, want none", err, g.requests)
	}
}

func TestIntervalGetsLongerWhileTheGatewayIsAway(t *testing.T) {
	for _, status := range []int{http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusTooManyRequests} {
		b, g := open(t, nil)
		s := exportertest.Series(measurement.UDPRTT, "a", "b", nil)
		g.set(status, "busy")
		for range 3 {
			publish(t, b, []exporter.Point{{Series: s, Value: 1_000_000}})
			unavailable, ok := errors.AsType[*exporter.UnavailableError](b.Flush(context.Background()))
			if !ok || !unavailable.Summed || unavailable.After.Seconds() != 7 || !strings.Contains(unavailable.Error(), ": busy") {
				t.Fatalf("status %d: error %+v, want that it is away for 7 s, and to go on", status, unavailable)
			}
		}
		g.set(0, "")
		if err := b.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := g.sum(s); got.Count != 3 {
			t.Errorf("status %d: %d points arrived, want 3", status, got.Count)
		}
	}
}

// A wrong login is no fault of the points.
func TestRefusedLoginIsToldAndKeepsThePoints(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		b, g := open(t, nil)
		s := exportertest.Series(measurement.UDPRTT, "a", "b", nil)
		g.set(status, "who\nare you?")
		publish(t, b, []exporter.Point{{Series: s, Value: 1_000_000}})
		err := b.Flush(context.Background())
		unavailable, ok := errors.AsType[*exporter.UnavailableError](err)
		if !ok || !unavailable.Summed || !unavailable.Refused || !strings.HasSuffix(err.Error(), ": who are you?; look at username and password") {
			t.Fatalf("status %d: Flush = %v, want that it refuses, why, and what to do", status, err)
		}
		g.set(0, "")
		if err := b.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := g.sum(s); got.Count != 1 {
			t.Errorf("status %d: %d points arrived, want 1", status, got.Count)
		}
	}
}

func TestGatewayThatRefusesConnectionsIsAway(t *testing.T) {
	b, err := New(Config{Gateway: "127.0.0.1:1", Job: "j", Instance: "i"})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, b, exportertest.Points(1))
	if unavailable, ok := errors.AsType[*exporter.UnavailableError](b.Flush(context.Background())); !ok || !unavailable.Summed {
		t.Errorf("error %v, want that it is away", unavailable)
	}
}

// A login page behind a redirection is no gateway, and gets no password.
func TestRedirectionIsNotFollowed(t *testing.T) {
	var followed atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			followed.Add(1)
			return
		}
		http.Redirect(w, r, "/login", http.StatusFound)
	}))
	defer server.Close()
	b, err := New(Config{Gateway: server.URL, Job: "j", Instance: "i", Username: "me", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, b, exportertest.Points(1))
	unavailable, ok := errors.AsType[*exporter.UnavailableError](b.Flush(context.Background()))
	if !ok || !strings.Contains(unavailable.Error(), "302 Found") || followed.Load() != 0 {
		t.Errorf("error %v after %d redirected requests, want that it is away, and none", unavailable, followed.Load())
	}
}

// What a gateway refuses is lost, also after it takes the next push.
func TestRefusedPushIsToldAndLost(t *testing.T) {
	b, g := open(t, func(c *Config) { c.Username, c.Password = "me", "secret" })
	s := exportertest.Series(measurement.UDPRTT, "a", "b", nil)
	g.set(http.StatusBadRequest, "pushed metrics are\n inconsistent "+strings.Repeat("x", 1000))
	publish(t, b, []exporter.Point{{Series: s, Value: 1}, {Series: s, Value: 1}})
	err := b.Flush(context.Background())
	if _, away := errors.AsType[*exporter.UnavailableError](err); err == nil || away {
		t.Fatalf("error %v, want one that is final", err)
	}
	if text := err.Error(); !strings.Contains(text, "400 Bad Request: pushed metrics are inconsistent x") || len(text) > 500 || strings.Contains(text, "secret") {
		t.Errorf("error %q, want status and the beginning of the body, and not the password", text)
	}
	g.set(0, "")
	publish(t, b, []exporter.Point{{Series: s, Value: 1}})
	if err := b.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := g.sum(s); got.Count != 1 {
		t.Errorf("%d points arrived, want 1", got.Count)
	}
}

func TestCertificatesAreChecked(t *testing.T) {
	g := &gateway{t: t}
	server := httptest.NewUnstartedServer(g)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	its := write("its", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	for _, test := range []struct {
		name     string
		ca       string
		insecure bool
		wantNew  string
		want     string
	}{
		{"the system's", "", false, "", "certificate"},
		{"its own", its, false, "", ""},
		{"any", "", true, "", ""},
		{"none in the file", write("none", []byte("no PEM")), false, "has no certificate in PEM", ""},
		{"no file", filepath.Join(dir, "no"), false, "read ca_file: open ", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, err := New(Config{Gateway: server.URL, Job: "j", Instance: "i", CAFile: test.ca, InsecureSkipVerify: test.insecure})
			if test.wantNew != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantNew) {
					t.Errorf("New = %v, want an error with %q", err, test.wantNew)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			publish(t, b, exportertest.Points(1))
			err = b.Flush(context.Background())
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("Flush = %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestTagsOfTheGroupingAreRenamed(t *testing.T) {
	b, g := open(t, func(c *Config) { c.Families = families.Config{} })
	publish(t, b, []exporter.Point{{Series: exportertest.Series(measurement.UDPRTT, "a", "b", []string{"job:x", "instance:y"}), Value: 1}})
	if err := b.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, family := range g.group {
		for _, m := range family.GetMetric() {
			if text := m.String(); !strings.Contains(text, "tag_job") || !strings.Contains(text, "tag_instance") {
				t.Errorf("%s has the labels of %s", family.GetName(), text)
			}
		}
	}
}
