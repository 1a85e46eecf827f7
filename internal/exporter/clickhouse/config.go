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
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// The protocols, and what they listen on by default when it is encrypted.
const (
	HTTP   = "http"
	Native = "native"

	httpsPort        = 8443
	nativeSecurePort = 9440
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

// Config says where the table is and what it looks like.
type Config struct {
	Host               string
	Port               int    // 0 is 8443 for HTTP and 9440 for Native
	Protocol           string // HTTP or Native; "" is HTTP
	Secure             *bool  // TLS; nil is at the two ports above
	CAFile             string // certificates in PEM that sign the server's; "" is the system's
	InsecureSkipVerify bool   // believe that the server is who it says it is
	Username           string
	Password           string
	Database           string   // "" is the user's own
	Table              string   // may have the database before a dot
	Columns            []string // name, time, value, tags, inserted at; the last may be left out
	Compression        string   // "" is None
	AsyncInsert        bool     // let the server gather the rows of many clients, and wait until they are in
	CreateTable        bool     // when it is not there
	Cluster            string   // create it on all hosts of this cluster, Replicated and Distributed
	TTLDays            int      // of the table that is created; 0 is for ever
}

// complete fills in what was left out, and checks what the rules of single keys can't tell.
func (c *Config) complete() error {
	if c.Host == "" {
		return errors.New("host is missing: must be an IP address or a host name")
	}
	if c.Protocol == "" {
		c.Protocol = HTTP
	}
	if c.Port == 0 {
		c.Port = map[string]int{HTTP: httpsPort, Native: nativeSecurePort}[c.Protocol]
	}
	if c.Secure == nil {
		secure := c.Port == httpsPort || c.Port == nativeSecurePort
		c.Secure = &secure
	}
	if !*c.Secure && (c.CAFile != "" || c.InsecureSkipVerify) {
		return errors.New("ca_file and insecure_skip_verify need secure = true")
	}
	if c.Compression == GZIP && c.Protocol == Native {
		return errors.New(`compression = "gzip" needs protocol = "http"`)
	}
	if c.Cluster != "" && !c.CreateTable {
		return errors.New("cluster needs create_table = true")
	}
	return c.completeNames()
}

func (c *Config) completeNames() error {
	if database, table, both := strings.Cut(c.Table, "."); both {
		if c.Database != "" && c.Database != database {
			return fmt.Errorf("database = %q and table = %q: name one database", c.Database, c.Table)
		}
		c.Database, c.Table = database, table
	}
	if n := len(c.Columns); n != columnCount && n != columnCount-1 {
		return fmt.Errorf("columns has %d elements: must be %d, or %d without the last", n, columnCount, columnCount-1)
	}
	if !c.CreateTable {
		return nil
	}
	if len(c.Columns) != columnCount {
		return fmt.Errorf("create_table needs all %d columns", columnCount)
	}
	for _, name := range c.Columns {
		if name == sourceColumn || name == targetColumn {
			return fmt.Errorf("columns has %s: the table that create_table makes has another column of this name", name)
		}
	}
	return nil
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
	if *c.Secure {
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
