package datadog

import (
	"context"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
)

func TestCertificates(t *testing.T) {
	s := &server{values: map[place]float64{}, kinds: map[string]int{}}
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that is to fail
	s.http.StartTLS()
	t.Cleanup(s.http.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
	if err := os.WriteFile(ca, certificate, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		caFile   string
		insecure bool
		wantErr  string
	}{
		{"the system does not know it", "", false, "certificate"},
		{"the file has it", ca, false, ""},
		{"any will do", "", true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := New(Options{
				URL: s.http.URL + "/", APIKey: testKey, Window: time.Minute,
				CAFile: tt.caFile, InsecureSkipVerify: tt.insecure,
			})
			if err != nil {
				t.Fatal(err)
			}
			publish(t, b, exportertest.Points(1)...)
			err = b.Flush(context.Background())
			if (err == nil) != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("Flush = %v, want %q", err, tt.wantErr)
			}
		})
	}
}

func TestFileWithoutCertificatesIsRefused(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + ".not"} {
		if _, err := New(Options{APIKey: testKey, CAFile: file}); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("New with ca_file %s = %v, want an error with its name", file, err)
		}
	}
}

func TestRequestsGoToTheSite(t *testing.T) {
	b, err := New(Options{Site: "us5.datadoghq.com", APIKey: testKey})
	if want := "https://api.us5.datadoghq.com/api/v2/series"; err != nil || b.client.url != want {
		t.Errorf("requests go to %s (%v), want %s", b.client.url, err, want)
	}
}
