package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"github.com/latency-monitor/latency-monitor/internal/config"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

const root = "../.."

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestReadmeConfigurationsLoad(t *testing.T) {
	blocks := regexp.MustCompile("(?ms)^```toml\n(.*?)^```$").FindAllStringSubmatch(readme(t), -1)
	if len(blocks) == 0 {
		t.Fatal("README.md has no configuration")
	}
	for _, block := range blocks {
		text := withKeyFiles(t, block[1])
		c, err := config.Parse([]byte(text), "README.md", config.Overrides{})
		if err == nil {
			err = checkTargets(c)
		}
		if err != nil {
			t.Errorf("%v, in the block\n%s", err, block[1])
		}
	}
}

// withKeyFiles makes the files with keys and certificates that a configuration names, elsewhere, and returns
// the configuration with their names there.
func withKeyFiles(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	return regexp.MustCompile(`((?:auth_keys?|password|api_key|ca)_file\s*=\s*)"([^"]*)"`).ReplaceAllStringFunc(text, func(assignment string) string {
		key, name, _ := strings.Cut(assignment, "=")
		file := filepath.Join(dir, filepath.Base(strings.Trim(name, ` "`)))
		content := []byte("a key as in the README\n")
		if strings.HasPrefix(key, "ca_file") {
			content = someCertificate(t)
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s= %q", key, file)
	})
}

func someCertificate(t *testing.T) []byte {
	t.Helper()
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certified.Certificate().Raw})
}

func TestReadmeShowsTheHelp(t *testing.T) {
	if !strings.Contains(readme(t), "```\n"+helpText()+"```\n") {
		t.Error("README.md does not show the present --help")
	}
}

// tableRows returns the rows of all tables whose first column has the heading: by the key in the first
// column, the cells by the heading of their column.
func tableRows(text, heading string) map[string]map[string]string {
	rows := make(map[string]map[string]string)
	var headings []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			headings = nil
			continue
		}
		cells := strings.Split(strings.ReplaceAll(line, `\|`, "\x00"), "|")
		cells = cells[1 : len(cells)-1]
		for i := range cells {
			cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], "\x00", "|"))
		}
		if headings == nil {
			headings = cells
			continue
		}
		if headings[0] != heading || cells[0] == "---" || len(cells) != len(headings) {
			continue
		}
		row := make(map[string]string)
		for i, heading := range headings {
			row[heading] = cells[i]
		}
		rows[strings.Trim(cells[0], "`")] = row
	}
	return rows
}

// printedKeys returns the keys of a configuration as --check-config prints them, with their values. A
// key that stands in several tables is there once. Those of backends have tables of their own.
func printedKeys(t *testing.T, c config.Config) map[string]any {
	t.Helper()
	var printed bytes.Buffer
	if err := c.WriteTOML(&printed); err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if _, err := toml.Decode(printed.String(), &values); err != nil {
		t.Fatal(err)
	}
	for _, b := range values["metrics"].([]map[string]any) {
		maps.DeleteFunc(b, func(key string, _ any) bool { return key != "backend" })
	}
	keys := make(map[string]any)
	flatten(values, keys)
	return keys
}

func flatten(values, keys map[string]any) {
	for key, value := range values {
		switch value := value.(type) {
		case map[string]any:
			flatten(value, keys)
		case []map[string]any:
			for _, element := range value {
				flatten(element, keys)
			}
		default:
			keys[key] = value
		}
	}
}

func TestReadmeHasEveryKey(t *testing.T) {
	c, err := config.Parse([]byte("[[targets]]\nhost = \"h\"\ntype = \"udp\"\nlabel = \"l\"\nttl = 1\n"+
		"[[metrics]]\nbackend = \"cli\""), "", config.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	c.Address, c.LogFile, c.User, c.Group = netip.IPv6Unspecified(), "f", "u", "g" // printed only when they are set
	rows := tableRows(readme(t), "key")
	c.Targets[0].Stamp.AuthKey, c.Reflector.AuthKeys = config.Key("k"), []config.Key{{}}
	keys := printedKeys(t, c)
	c.Targets[0].Stamp.AuthKeyFile, c.Reflector.AuthKeysFile = "f", "f" // printed instead of the keys
	maps.Copy(keys, printedKeys(t, c))
	for key := range keys {
		if rows[key] == nil {
			t.Errorf("README.md has no row for the key %s", key)
		}
	}
	for key := range rows {
		if _, known := keys[key]; !known {
			t.Errorf("README.md has a row for %s, which is no key", key)
		}
	}
}

func TestReadmeHasTheDefaults(t *testing.T) {
	c, err := config.Parse([]byte("name = \"n\"\n[[targets]]\nhost = \"h\""), "", config.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	rows := tableRows(readme(t), "key")
	for key, value := range printedKeys(t, c) {
		if key == "name" || key == "host" {
			continue // given above
		}
		if got, want := rows[key]["default"], fmt.Sprintf("`%v`", value); got != want {
			t.Errorf("README.md says that the default of %s is %s, want %s", key, got, want)
		}
	}
}

func TestReadmeHasTheRanges(t *testing.T) {
	for key, row := range tableRows(readme(t), "key") {
		want := config.Allowed(strings.ReplaceAll(key, "_", "-"))
		if !strings.HasPrefix(row["values"], want) {
			t.Errorf("README.md says that %s takes %s, want %s", key, row["values"], want)
		}
	}
}

func TestReadmeHasTheKeysOfBackends(t *testing.T) {
	text := readme(t)
	everyBackend := tableRows(text, "key of every backend")
	for name := range backends {
		rows := tableRows(text, "key of "+name)
		known := config.BackendKeys(name)
		for _, key := range known {
			row := rows[key.Name]
			if row == nil {
				row = everyBackend[key.Name]
			}
			values, want := strings.TrimPrefix(key.Allowed, "a string, "), "none"
			if key.Default != nil {
				want = fmt.Sprintf("`%v`", key.Default)
			} else if key.Depends != "" {
				want = key.Depends
			}
			if row == nil || row["default"] != want || !strings.HasPrefix(row["values"], values) {
				t.Errorf("README.md has for %s of %s: %v, want values %q and default %s", key.Name, name, row, values, want)
			}
		}
		for row := range rows {
			if !slices.ContainsFunc(known, func(k config.BackendKey) bool { return k.Name == row }) {
				t.Errorf("README.md has a row for %s of %s, which is no key", row, name)
			}
		}
	}
}

func TestReadmeHasEveryMetricAndCounter(t *testing.T) {
	var names []string
	for m := measurement.Metric(1); m.Valid(); m++ {
		names = append(names, m.String())
	}
	for c := range selfstats.NumCounters {
		names = append(names, c.String())
	}
	text := readme(t)
	for _, name := range names {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("README.md does not mention %s", name)
		}
	}
}

func TestReadmeLinksLead(t *testing.T) {
	for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(readme(t), -1) {
		if _, err := os.Stat(filepath.Join(root, link[1])); err != nil {
			t.Errorf("README.md links to nothing: %v", err)
		}
	}
}
