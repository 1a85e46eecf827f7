package serverstest

import (
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// VictoriaMetricsServer takes the requests of many kinds of clients, Datadog's under /datadog.
type VictoriaMetricsServer struct{ *Server }

// VictoriaMetrics starts VictoriaMetrics. It keeps points for a day.
func VictoriaMetrics(t testing.TB) *VictoriaMetricsServer {
	t.Helper()
	file, err := here().victoriaMetrics()
	if err != nil {
		missing(t, err)
	}
	s := newServer(t, "VictoriaMetrics")
	s.Addr = freeAddresses(t, 1)[0]
	s.args = []string{
		file, "-httpListenAddr=" + s.Addr, "-storageDataPath=" + filepath.Join(s.Dir, "data"),
		"-retentionPeriod=1d", "-memory.allowedBytes=256MB", "-inmemoryDataFlushInterval=2s",
	}
	s.probe = s.answers("/health")
	s.launch()
	return &VictoriaMetricsServer{s}
}

// Series is all that is stored of one series.
type Series struct {
	Labels     map[string]string `json:"metric"` // the name is __name__
	Values     []float64
	Timestamps []int64 // milliseconds since the Unix epoch
}

// Export returns the series that a selector such as {__name__=~"udp.*"} picks.
func (v *VictoriaMetricsServer) Export(t testing.TB, selector string) []Series {
	t.Helper()
	if _, err := v.get("/internal/force_flush"); err != nil {
		t.Fatal(err)
	}
	text, err := v.post("/api/v1/export", url.Values{"match[]": {selector}})
	if err != nil {
		t.Fatalf("export %s: %v", selector, err)
	}
	var all []Series
	for lines := json.NewDecoder(strings.NewReader(text)); ; {
		var series Series
		err := lines.Decode(&series)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("export %s: %v", selector, err)
		}
		all = append(all, series)
	}
}

// Flush puts all that the server has received where Kill does not reach it.
func (v *VictoriaMetricsServer) Flush(t testing.TB) {
	t.Helper()
	// A snapshot has links to files, so everything goes to files before.
	if _, err := v.get("/snapshot/create"); err != nil {
		t.Fatal(err)
	}
}
