package serverstest

import (
	"path/filepath"
	"testing"
)

// PushgatewayServer is a Pushgateway that keeps what was pushed over a restart.
type PushgatewayServer struct{ *Server }

// Pushgateway starts a Pushgateway.
func Pushgateway(t testing.TB) *PushgatewayServer {
	t.Helper()
	file, err := program("prometheus-pushgateway")
	if err != nil {
		missing(t, err)
	}
	s := newServer(t, "Pushgateway")
	s.Addr = freeAddresses(t, 1)[0]
	s.args = []string{
		file, "--web.listen-address=" + s.Addr,
		"--persistence.file=" + filepath.Join(s.Dir, "pushed"), "--persistence.interval=50ms",
	}
	s.probe = s.answers("/-/ready")
	s.launch()
	return &PushgatewayServer{s}
}

// Metrics returns all that was pushed, and the gateway's own metrics, in the text format.
func (p *PushgatewayServer) Metrics(t testing.TB) string {
	t.Helper()
	text, err := p.get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	return text
}
