package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the README has for Prometheus is accepted by Prometheus' own tool.
func TestReadmeConfiguresPrometheus(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool (prometheus): make test-servers installs it")
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	checked := map[string]bool{}
	for _, block := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllSubmatch(readme, -1) {
		what := "config"
		if strings.HasPrefix(string(block[1]), "groups:") {
			what = "rules"
		}
		checked[what] = true
		file := filepath.Join(t.TempDir(), what+".yml")
		if err := os.WriteFile(file, block[1], 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(tool, "check", what, file).CombinedOutput(); err != nil {
			t.Errorf("promtool check %s: %v\n%s\nof\n%s", what, err, out, block[1])
		}
	}
	if !checked["config"] || !checked["rules"] {
		t.Errorf("README.md has %v, want a configuration and rules", checked)
	}
}
