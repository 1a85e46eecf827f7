package serverstest

import (
	_ "embed" // for the HTTP interface and the configuration
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The users of both kinds of ClickHouse: this one, and "default" without a password.
const (
	User     = "tester"
	Password = "opensesame"
)

//go:embed testdata/clickhouse-http.js
var clickHouseHTTP []byte

//go:embed testdata/clickhouse-old.xml
var clickHouseOldConfig string

// ClickHouseServer is either kind of ClickHouse. Its time zone is UTC.
type ClickHouseServer struct {
	*Server
	// Native is "127.0.0.1:port" of the native TCP protocol. "" if it has none.
	Native string
}

// ClickHouseModern starts ClickHouse 26.7: HTTP only.
func ClickHouseModern(t testing.TB) *ClickHouseServer {
	t.Helper()
	node, engine, err := here().clickHouseModern()
	if err != nil {
		missing(t, err)
	}
	s := newServer(t, "ClickHouse (modern)")
	s.Addr = freeAddresses(t, 1)[0]
	script := filepath.Join(s.Dir, "clickhouse-http.js")
	if err := os.WriteFile(script, clickHouseHTTP, 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = []string{node, script, engine, portOf(s.Addr), filepath.Join(s.Dir, "data")}
	s.env = []string{fmt.Sprintf(`CLICKHOUSE_USERS={"default": "", %q: %q}`, User, Password)}
	s.probe = s.answers("/ping")
	s.launch()
	return &ClickHouseServer{Server: s}
}

// ClickHouseOld starts ClickHouse 18.16: HTTP and the native TCP protocol.
func ClickHouseOld(t testing.TB) *ClickHouseServer {
	t.Helper()
	file, err := here().clickHouseOld()
	if err != nil {
		missing(t, err)
	}
	s := newServer(t, "ClickHouse (18.16)")
	addresses := freeAddresses(t, 2)
	s.Addr = addresses[0]
	c := &ClickHouseServer{Server: s, Native: addresses[1]}
	config := filepath.Join(s.Dir, "config.xml")
	text := strings.NewReplacer(
		"{dir}", s.Dir, "{http}", portOf(c.Addr), "{native}", portOf(c.Native),
		"{config}", config, "{user}", User, "{password}", Password,
	).Replace(clickHouseOldConfig)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = []string{file, "--config-file=" + config}
	s.probe = func() error {
		if _, err := s.get("/ping"); err != nil {
			return err
		}
		return accepts(c.Native)
	}
	s.launch()
	return c
}

// Query runs a statement, which must succeed, as User over HTTP and returns its result: lines of
// fields with a tab between them, if the statement names no other format.
func (c *ClickHouseServer) Query(t testing.TB, statement string) string {
	t.Helper()
	result, err := c.TryQuery(statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return result
}

// TryQuery is Query for a statement that may fail. It may be called from any goroutine.
func (c *ClickHouseServer) TryQuery(statement string) (string, error) {
	login := url.Values{"user": {User}, "password": {Password}}
	return c.do(http.MethodPost, "/?"+login.Encode(), strings.NewReader(statement))
}
