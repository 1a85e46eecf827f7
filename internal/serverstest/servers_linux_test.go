package serverstest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestClickHouseKeepsRowsOverKill(t *testing.T) {
	for _, tt := range []struct {
		name        string
		start       func(testing.TB) *ClickHouseServer
		wantRelease string
		wantNative  bool
	}{
		{"modern", ClickHouseModern, "26.7.", false},
		{"old", ClickHouseOld, "18.16.", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := tt.start(t)
			if got := c.Query(t, "SELECT version()"); !strings.HasPrefix(got, tt.wantRelease) {
				t.Errorf("version = %q, want %s…", got, tt.wantRelease)
			}
			if (c.Native != "") != tt.wantNative {
				t.Errorf("Native = %q, want one: %v", c.Native, tt.wantNative)
			}
			c.Query(t, "CREATE TABLE metrics (day Date, name String, value Int64) "+
				"ENGINE = MergeTree PARTITION BY day ORDER BY name")
			c.Query(t, "INSERT INTO metrics VALUES ('2026-11-24', 'udp.wan.rtt', -5)")
			c.Query(t, "INSERT INTO metrics (day, name, value) FORMAT JSONEachRow\n"+
				`{"day": "2026-11-24", "name": "tcp.wan.rtt", "value": 7}`)
			c.Kill()
			c.Restart()
			want := "2026-11-24\ttcp.wan.rtt\t7\n2026-11-24\tudp.wan.rtt\t-5\n"
			if got := c.Query(t, "SELECT * FROM metrics ORDER BY name"); got != want {
				t.Errorf("rows = %q, want %q", got, want)
			}
		})
	}
}

func TestClickHouseRefusesWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		name  string
		start func(testing.TB) *ClickHouseServer
	}{{"modern", ClickHouseModern}, {"old", ClickHouseOld}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := tt.start(t)
			if _, err := c.TryQuery("SELECT * FROM nowhere"); err == nil || !strings.Contains(err.Error(), "Code: 60") {
				t.Errorf("unknown table: %v, want code 60", err)
			}
			for login, accepted := range map[string]bool{
				"":                                       true,
				"user=" + User:                           false,
				"user=" + User + "&password=wrong":       false,
				"user=" + User + "&password=" + Password: true,
				"user=nobody":                            false,
			} {
				_, err := c.do(http.MethodPost, "/?"+login, strings.NewReader("SELECT 1"))
				if (err == nil) != accepted {
					t.Errorf("login %q: %v, want success: %v", login, err, accepted)
				}
			}
		})
	}
}

func TestPrometheusKeepsScrapesOverKill(t *testing.T) {
	t.Parallel()
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, `answer{to="everything"} 42`)
	}))
	t.Cleanup(target.Close)
	p := Prometheus(t, fmt.Sprintf(`
global: {scrape_interval: 100ms}
scrape_configs:
- job_name: test
  static_configs: [{targets: [%q]}]
`, target.Listener.Addr()))
	eventually(t, func() error {
		if samples := p.Query(t, "answer"); len(samples) == 0 {
			return fmt.Errorf("nothing scraped")
		}
		return nil
	})
	p.Kill()
	target.Close()
	p.Restart()
	samples := p.Query(t, "last_over_time(answer[1m])")
	if len(samples) != 1 || samples[0].Value != 42 || samples[0].Labels["to"] != "everything" {
		t.Errorf("samples = %+v, want one of 42", samples)
	}
}

func TestPushgatewayKeepsPushesOverKill(t *testing.T) {
	t.Parallel()
	p := Pushgateway(t)
	if _, err := p.do(http.MethodPut, "/metrics/job/test", strings.NewReader("answer 42\n")); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		_, err := os.Stat(filepath.Join(p.Dir, "pushed"))
		return err
	})
	p.Kill()
	p.Restart()
	if got, want := p.Metrics(t), `answer{instance="",job="test"} 42`; !strings.Contains(got, want) {
		t.Errorf("metrics = %q, want %s in it", got, want)
	}
}

func TestVictoriaMetricsKeepsPointsOverFlushAndKill(t *testing.T) {
	t.Parallel()
	v := VictoriaMetrics(t)
	now := time.Now().Unix()
	body := fmt.Sprintf(`{"series": [{"metric": "udp.wan.rtt", "type": 3,
		"points": [{"timestamp": %d, "value": 1.5}], "tags": ["source:a"]}]}`, now)
	_, err := v.do(http.MethodPost, "/datadog/api/v2/series", strings.NewReader(body), "Content-Type", "application/json")
	if err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		all := v.Export(t, `{__name__="udp.wan.rtt"}`)
		if len(all) != 1 || len(all[0].Values) != 1 || all[0].Values[0] != 1.5 ||
			all[0].Timestamps[0] != 1000*now || all[0].Labels["source"] != "a" {
			t.Errorf("%s: %+v, want one point of 1.5 at %d s", when, all, now)
		}
	}
	check("before the flush")
	v.Flush(t)
	v.Kill()
	v.Restart()
	check("after Kill and Restart")
}
