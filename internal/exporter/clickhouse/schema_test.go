package clickhouse

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func schemaConfigs() map[string]Config {
	renamed := testConfig()
	renamed.Database, renamed.Columns = "net", []string{"name", "timestamp", "value", "tags", "inserted_at"}
	renamed.TTLDays = 0
	single := testConfig()
	single.TTLDays = 30
	cluster := single
	cluster.Database, cluster.Cluster = "net", "fleet"
	return map[string]Config{"single": single, "renamed": renamed, "cluster": cluster}
}

func TestStatementsAreGolden(t *testing.T) {
	for name, c := range schemaConfigs() {
		got := strings.Join(c.Statements(), ";\n\n") + ";\n"
		golden := filepath.Join("testdata", name+".sql")
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
		}
	}
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestReadmeShowsTheStatements(t *testing.T) {
	c := schemaConfigs()["single"]
	if want := "```sql\n" + c.Statements()[0] + "\n```\n"; !strings.Contains(readme(t), want) {
		t.Errorf("README.md does not show\n%s", want)
	}
}
