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

func TestPortAndTLSFollowFromOneAnother(t *testing.T) {
	yes, no := true, false
	for _, test := range []struct {
		name       string
		config     Config
		wantAddr   string
		wantSecure bool
	}{
		{"nothing given", Config{}, "h:8443", true},
		{"native", Config{Protocol: Native}, "h:9440", true},
		{"plain port of HTTP", Config{Port: 8123}, "h:8123", false},
		{"plain port of native", Config{Protocol: Native, Port: 9000}, "h:9000", false},
		{"TLS at another port", Config{Port: 443, Secure: &yes}, "h:443", true},
		{"no TLS at its port", Config{Port: 8443, Secure: &no}, "h:8443", false},
		{"IPv6", Config{Host: "2001:db8::1", Port: 8123}, "[2001:db8::1]:8123", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := test.config
			c.Table, c.Columns = "metrics", testConfig().Columns
			if c.Host == "" {
				c.Host = "h"
			}
			if err := c.complete(); err != nil {
				t.Fatal(err)
			}
			o, err := c.options()
			if err != nil {
				t.Fatal(err)
			}
			if o.Addr[0] != test.wantAddr || (o.TLS != nil) != test.wantSecure {
				t.Errorf("address %s, TLS %v; want %s, %v", o.Addr[0], o.TLS != nil, test.wantAddr, test.wantSecure)
			}
		})
	}
}

func TestConfigurationsThatContradictThemselvesAreRefused(t *testing.T) {
	no := false
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no host", func(c *Config) { c.Host = "" }, "host is missing"},
		{"certificates without TLS", func(c *Config) { c.Secure, c.CAFile = &no, "f" }, "need secure = true"},
		{"no verification without TLS", func(c *Config) { c.Secure, c.InsecureSkipVerify = &no, true }, "need secure = true"},
		{"certificates that are not there", func(c *Config) { c.CAFile = "none.pem" }, `ca_file = "none.pem": no such file`},
		{"certificates that are none", func(c *Config) { c.CAFile = "config_test.go" }, "has no certificate in PEM"},
		{"gzip over native", func(c *Config) { c.Protocol, c.Compression = Native, GZIP }, `"gzip" needs protocol = "http"`},
		{"a cluster for nothing", func(c *Config) { c.Cluster = "c" }, "cluster needs create_table = true"},
		{"two databases", func(c *Config) { c.Database, c.Table = "a", "b.metrics" }, "name one database"},
		{"three columns", func(c *Config) { c.Columns = c.Columns[:3] }, "columns has 3 elements: must be 5, or 4 without the last"},
		{"a table to create without a column", func(c *Config) { c.CreateTable, c.Columns = true, c.Columns[:4] }, "needs all 5"},
		{"a column twice", func(c *Config) { c.CreateTable, c.Columns = true, []string{"Source", "b", "c", "d", "e"} }, "another column of this name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := testConfig()
			c.Host = "h"
			test.change(&c)
			if _, err := New(c); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("New = %v, want %q", err, test.want)
			}
		})
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
	secure := u.Scheme == "https"
	c.Secure = &secure
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
		{404, "16", "Code: 16. DB::Exception: No such column", true, "(code 16)"},
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
