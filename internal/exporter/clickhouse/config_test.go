package clickhouse

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
)

func TestCertificatesThatCanNotBeReadAreRefused(t *testing.T) {
	for file, want := range map[string]string{
		"none.pem": `ca_file = "none.pem": no such file`, "config_test.go": "has no certificate in PEM",
	} {
		c := testConfig()
		c.Host, c.Secure, c.CAFile = "h", true, file
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New with %s = %v, want %q", file, err, want)
		}
	}
}

// refusing is a server that refuses every password, as ClickHouse does.
func refusing(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-ClickHouse-Exception-Code", "516")
	w.Header().Set("X-Certificate-Auth", r.Header.Get("X-ClickHouse-SSL-Certificate-Auth"))
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprintf(w, "Code: 516. DB::Exception: default: Authentication failed, certificates %q. (AUTHENTICATION_FAILED)\n",
		r.Header.Get("X-ClickHouse-SSL-Certificate-Auth"))
}

func configFor(t *testing.T, address string) Config {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	c := testConfig()
	c.Host, c.Username = u.Hostname(), "default"
	if c.Port, err = strconv.Atoi(u.Port()); err != nil {
		t.Fatal(err)
	}
	c.Protocol, c.Secure = HTTP, u.Scheme == "https"
	return c
}

func publishOne(t *testing.T, c Config) *exporter.UnavailableError {
	t.Helper()
	b, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.Background())
	unavailable, ok := errors.AsType[*exporter.UnavailableError](b.Publish(t.Context(), exportertest.Points(1)))
	if !ok {
		t.Fatal("Publish worked, or lost the point; want an UnavailableError")
	}
	return unavailable
}

func TestServerIsVerified(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(refusing))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"by the system's certificates", func(*Config) {}, "certificate signed by unknown authority"},
		{"by those of a file", func(c *Config) { c.CAFile = ca }, `Authentication failed, certificates "off"`},
		{"not at all", func(c *Config) { c.InsecureSkipVerify = true }, "code 516"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := configFor(t, server.URL)
			test.change(&c)
			if err := publishOne(t, c); !strings.Contains(err.Error(), test.want) {
				t.Errorf("Publish = %v, want %q", err, test.want)
			}
		})
	}
}

func TestPasswordGoesNowhereElse(t *testing.T) {
	var elsewhere bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere = true }))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	c := configFor(t, server.URL)
	c.Password = "opensesame"
	err := publishOne(t, c)
	if elsewhere || !strings.Contains(err.Error(), "redirected to") || strings.Contains(err.Error(), c.Password) {
		t.Errorf("Publish = %v, and another server was asked: %v; want the redirection refused", err, elsewhere)
	}
}

// Whoever answers and refuses is not away, and is told as what it is.
func TestRefusalsAreToldApartFromOutages(t *testing.T) {
	for _, test := range []struct {
		status      int
		code        string // of ClickHouse; "" is none
		body        string
		wantRefused bool
		wantEnd     string
	}{
		{403, "516", "Code: 516. DB::Exception: default: Authentication failed", true, "(code 516); look at username and password"},
		{404, "60", "Code: 60. DB::Exception: Unknown table", true, "(code 60); create it, or set create_table = true"},
		{404, "81", "Code: 81. DB::Exception: Unknown database", true, "(code 81); create it, or name another one in database"},
		{404, "16", "Code: 16. DB::Exception: No such column", true, "(code 16); look at columns"},
		{500, "252", "Code: 252. DB::Exception: Too many parts", false, "(code 252)"},
		{500, "241", "Code: 241. DB::Exception: Memory limit exceeded", false, "(code 241)"},
		{500, "497", "Code: 497. DB::Exception: Not enough privileges", true, "(code 497); GRANT it to the user"},
		{404, "", "no\npage", true, "HTTP status 404: no page; look at host and port, or at a proxy on the way"},
		{429, "", "slow down", false, "HTTP status 429: slow down"},
		{503, "", `{"busy": true}`, false, `HTTP status 503: {"busy": true}`},
	} {
		t.Run(fmt.Sprint(test.status, test.code), func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if test.code != "" {
					w.Header().Set("X-ClickHouse-Exception-Code", test.code)
				}
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.body)
			}))
			defer server.Close()
			if err := publishOne(t, configFor(t, server.URL)); err.Refused != test.wantRefused || !strings.HasSuffix(err.Error(), test.wantEnd) {
				t.Errorf("Publish = %q, refused %v; want %v and %q", err, err.Refused, test.wantRefused, test.wantEnd)
			}
		})
	}
}

func TestErrorsOfProxiesAreShort(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, "<html>\n", strings.Repeat("<p>bad gateway</p>\n", 1000))
	}))
	defer server.Close()
	err := publishOne(t, configFor(t, server.URL))
	if text := err.Error(); len(text) > 300 || err.Reason != "HTTP status 502" || err.Refused ||
		!strings.HasPrefix(text, "HTTP status 502: <html> <p>bad gateway</p> <p>") {
		t.Errorf("Publish = %q for reason %q, want one short line for status 502", text, err.Reason)
	}
}
