package serverstest

import (
	"strings"
	"testing"
)

func TestWhatIsNotInstalledIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	nothing := installation{t.TempDir()}
	for want, find := range map[string]func() error{
		"victoria-metrics":         func() error { _, err := nothing.victoriaMetrics(); return err },
		"node (nodejs)":            func() error { _, _, err := nothing.clickHouseModern(); return err },
		"no-such-program (for us)": func() error { _, err := program("no-such-program (for us)"); return err },
	} {
		if err := find(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestFolderOfServersCanBeChosen(t *testing.T) {
	const elsewhere = "/somewhere/else"
	t.Setenv("LM_TEST_SERVERS", elsewhere)
	if got := here().folder; got != elsewhere {
		t.Errorf("folder = %s, want %s", got, elsewhere)
	}
	t.Setenv("LM_TEST_SERVERS", "")
	t.Setenv("XDG_CACHE_HOME", "/cache")
	if got, want := here().folder, "/cache/latency-monitor/servers"; got != want {
		t.Errorf("folder = %s, want %s", got, want)
	}
}
