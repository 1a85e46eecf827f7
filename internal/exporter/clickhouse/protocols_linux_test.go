package clickhouse

import (
	"crypto/tls"
	"encoding/binary"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/cityhash102"

	"github.com/latency-monitor/latency-monitor/internal/serverstest"
)

// The syntax of what needs a cluster, which no server here has.
func TestStatementsOfAClusterParse(t *testing.T) {
	server := serverstest.ClickHouseModern(t)
	c := schemaConfigs()["cluster"]
	for _, statement := range c.Statements() {
		server.Query(t, "EXPLAIN AST "+statement)
	}
}

func TestReadmesStatementsWork(t *testing.T) {
	server := serverstest.ClickHouseModern(t)
	var ran int
	for _, block := range regexp.MustCompile("(?ms)^```sql\n(.*?)^```$").FindAllStringSubmatch(readme(t), -1) {
		for statement := range strings.SplitSeq(block[1], ";\n") {
			if statement = strings.TrimSpace(statement); statement != "" {
				server.Query(t, statement)
				ran++
			}
		}
	}
	if ran < 3 {
		t.Errorf("README.md has %d statements, want the table and some queries", ran)
	}
}

// hello answers what the client asks first, as a block of one row without a revision, since 18.16 does
// not know these functions.
func hello() []byte {
	text := func(s string) string { return string(rune(len(s))) + s }
	column := func(name, typ, value string) string { return text(name) + text(typ) + "\x00" + value }
	const blockInfo = "\x01\x00\x02\xff\xff\xff\xff\x00"
	return []byte(blockInfo + "\x04\x01" + column("displayName()", "String", text("old")) +
		column("version()", "String", text("18.16.1")) +
		column("revision()", "UInt32", "\x00\x00\x00\x00") + column("timezone()", "String", text("UTC")))
}

// framed is a block as one that is compressed, by the method that leaves it as it is: checksum, method,
// sizes, octets.
func framed(block []byte) []byte {
	const method, head = 0x02, 9
	frame := binary.LittleEndian.AppendUint32([]byte{method}, uint32(head+len(block)))
	frame = append(binary.LittleEndian.AppendUint32(frame, uint32(len(block))), block...)
	sum := cityhash102.CityHash128(frame, uint32(len(frame)))
	checksum := binary.LittleEndian.AppendUint64(nil, sum.Lower64())
	return append(binary.LittleEndian.AppendUint64(checksum, sum.Higher64()), frame...)
}

// front makes of 18.16 a server that clickhouse-go's HTTP mode can talk to. What it is sent goes on as
// it is, so that it is a real server that uncompresses it.
func front(t *testing.T, server *serverstest.ClickHouseServer) *httptest.Server {
	t.Helper()
	behind := &url.URL{Scheme: "http", Host: server.Addr}
	proxy := httputil.NewSingleHostReverseProxy(behind)
	f := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		query.Del("client_protocol_version")
		query.Del("network_compression_method") // of the answers, in capitals that it does not know
		query.Del("network_zstd_compression_level")
		query.Set("compress", "0") // of the answers
		if body := query.Get("query"); body == "" {
			text, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			if strings.HasPrefix(string(text), "SELECT displayName()") {
				block := hello()
				if r.URL.Query().Get("compress") == "1" {
					block = framed(block)
				}
				_, _ = w.Write(block)
				return
			}
			t.Errorf("unexpected query %s", text)
		}
		r.URL.RawQuery = query.Encode()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func TestServerUncompressesWhatIsSentOverHTTP(t *testing.T) {
	p := peers[1]
	server := p.start(t)
	for _, compression := range []string{LZ4, ZSTD, GZIP, None} {
		t.Run(compression, func(t *testing.T) {
			p.create(t, server, p.engine)
			c := configFor(t, front(t, server).URL)
			c.Username, c.Password, c.Compression = serverstest.User, serverstest.Password, compression
			b := mustNew(t, c)
			b.scratch = scratch{}
			var err error
			// Its answer to DESCRIBE is of a revision that the client does not know.
			b.target, err = newTarget(&b.config, []described{
				{name: "MetricName", typ: "String"}, {name: "Timestamp", typ: "Int64"}, {name: "MetricValue", typ: "Int64"},
				{name: "Tags", typ: "Array(String)"}, {name: "InsertedAt", typ: "DateTime"},
			}, &b.scratch)
			if err != nil {
				t.Fatal(err)
			}
			points := recent(5000)
			if err := b.Publish(t.Context(), points); err != nil {
				t.Fatal(err)
			}
			compare(t, p.received(t, server), points)
		})
	}
}

func TestNativeProtocolInTLSAndEachCompression(t *testing.T) {
	p := peers[1]
	server := p.start(t)
	certified := httptest.NewTLSServer(nil) // for its certificate
	defer certified.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certified.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	address := terminateTLS(t, certified.TLS.Certificates, server.Native)
	for _, compression := range []string{LZ4, ZSTD, None} {
		t.Run(compression, func(t *testing.T) {
			p.create(t, server, p.engine)
			c := p.config(t, server)
			c.Port, c.Secure, c.CAFile, c.Compression = address.Port, true, ca, compression
			points := recent(5000)
			if err := mustNew(t, c).Publish(t.Context(), points); err != nil {
				t.Fatal(err)
			}
			compare(t, p.received(t, server), points)
		})
	}
}

// terminateTLS listens for TLS and passes what is in it on.
func terminateTLS(t *testing.T, certificates []tls.Certificate, to string) *net.TCPAddr {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certificates})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			outer, err := listener.Accept()
			if err != nil {
				return
			}
			inner, err := net.Dial("tcp", to)
			if err != nil {
				_ = outer.Close()
				continue
			}
			go func() { _, _ = io.Copy(inner, outer); _ = inner.Close() }()
			go func() { _, _ = io.Copy(outer, inner); _ = outer.Close() }()
		}
	}()
	return listener.Addr().(*net.TCPAddr)
}
