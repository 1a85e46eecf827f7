package clickhouse

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// The protocols.
const (
	HTTP   = "http"
	Native = "native"
)

// The ways to compress what is sent.
const (
	None = "none"
	LZ4  = "lz4"
	ZSTD = "zstd"
	GZIP = "gzip" // HTTP only
)

const (
	// dialTimeout is for a connection, the TLS handshake and the server's greeting.
	dialTimeout = 10 * time.Second
	// requestTimeout is for an INSERT or another statement.
	requestTimeout = 60 * time.Second
	// connections is how many there are at most. The backend does one thing at a time; the second is
	// for what the library has not put back yet.
	connections = 2
)

// Config says where the table is and what it looks like. It has been checked by package config.
type Config struct {
	Host               string
	Port               int
	Protocol           string // HTTP or Native
	Secure             bool   // TLS
	CAFile             string // certificates in PEM that sign the server's; "" is the system's
	InsecureSkipVerify bool   // believe that the server is who it says it is
	Username           string
	Password           string
	Database           string   // "" is the user's own
	Table              string   // may have the Database before a dot
	Columns            []string // name, time, value, tags, inserted at; the last may be left out
	Compression        string   // GZIP is for HTTP only; "" is None
	AsyncInsert        bool     // let the server gather the rows of many clients, and wait until they are in
	CreateTable        bool     // when it is not there
	Cluster            string   // create it on all hosts of this cluster, Replicated and Distributed
	TTLDays            int      // of the table that is created; 0 is for ever
}

// options are those of the client.
func (c *Config) options() (*clickhouse.Options, error) {
	o := &clickhouse.Options{
		Protocol: map[string]clickhouse.Protocol{HTTP: clickhouse.HTTP, Native: clickhouse.Native}[c.Protocol],
		Addr:     []string{net.JoinHostPort(c.Host, strconv.Itoa(c.Port))},
		Auth:     clickhouse.Auth{Database: c.Database, Username: c.Username, Password: c.Password},
		Compression: &clickhouse.Compression{Method: map[string]clickhouse.CompressionMethod{
			LZ4: clickhouse.CompressionLZ4, ZSTD: clickhouse.CompressionZSTD, GZIP: clickhouse.CompressionGZIP,
			None: clickhouse.CompressionNone, "": clickhouse.CompressionNone,
		}[c.Compression], Level: 1},
		DialTimeout:   dialTimeout,
		ReadTimeout:   requestTimeout,
		MaxOpenConns:  connections,
		MaxIdleConns:  connections,
		TransportFunc: refuseRedirects,
	}
	o.ClientInfo.Products = append(o.ClientInfo.Products, struct{ Name, Version string }{"latency-monitor", ""})
	if c.Secure {
		config, err := c.tls()
		if err != nil {
			return nil, err
		}
		o.TLS = config
		// Without a password the library asks for a certificate to be taken instead of one.
		o.HttpHeaders = map[string]string{"X-ClickHouse-SSL-Certificate-Auth": "off"}
	}
	return o, nil
}

func (c *Config) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.InsecureSkipVerify}
	if c.CAFile == "" {
		return config, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err // the path is there already
		}
		return nil, fmt.Errorf("ca_file = %q: %w", c.CAFile, err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file = %q: has no certificate in PEM", c.CAFile)
	}
	return config, nil
}

// refuseRedirects keeps the password from going where a server points to, and an INSERT from becoming
// a GET.
func refuseRedirects(t *http.Transport) (http.RoundTripper, error) { return noRedirects{t}, nil }

type noRedirects struct{ *http.Transport }

// RoundTrip turns a redirection into an error.
func (n noRedirects) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := n.Transport.RoundTrip(r)
	if err != nil || response.StatusCode < 300 || response.StatusCode > 399 {
		return response, err
	}
	response.Body.Close()
	return nil, fmt.Errorf("redirected to %q (status %d): must be the address of ClickHouse itself",
		response.Header.Get("Location"), response.StatusCode)
}
