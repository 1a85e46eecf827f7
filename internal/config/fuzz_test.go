package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// FuzzParse: no input makes Parse panic, every error is one line, and what loads can be written and
// loads again.
func FuzzParse(f *testing.F) {
	annex, err := os.ReadFile("testdata/annex.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(annex)
	f.Add([]byte(fileWithEverything))
	f.Add([]byte("targets = [{host = \"a\"}]\nmetrics = {backend = \"zeromq\", x = [{}, {a.b = 1}]}"))
	f.Add([]byte("tags = [\n'a',\n5]\n[engine]\ncpus = []"))
	f.Add([]byte("auth_key_file = \"a.key\"\nauth_keys = [\"" + hexC + "\"]\nallow = [\"::1\", \"10.0.0.0/8\"]\nttl = 1\n" +
		"[[targets]]\nhost = \"a\"\nprotocol = \"stamp\""))
	f.Add([]byte("\"a\\nb\" = '''\n'''"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := load(string(data), Overrides{})
		if err != nil {
			if !isPlainText(err.Error()) {
				t.Errorf("error is not one line of text: %q", err)
			}
			return
		}
		for i := range c.Targets { // a masked key does not load
			if s := &c.Targets[i].Stamp; s.AuthKeyFile == "" {
				s.AuthKey = nil
			}
		}
		if r := &c.Reflector; r.AuthKeysFile == "" {
			r.AuthKeys, r.RequireAuth = nil, false
		}
		checkWriteAndLoad(t, c)
	})
}

func checkWriteAndLoad(t *testing.T, c Config) {
	t.Helper()
	c.Backends = []Backend{{Name: BackendCLI, Keys: map[string]any{}}} // others may have secrets, which are masked
	var b strings.Builder
	if err := c.WriteTOML(&b); err != nil {
		t.Fatalf("WriteTOML failed: %v", err)
	}
	again, err := load(b.String(), Overrides{})
	if err != nil {
		t.Fatalf("written configuration does not load: %v\n%s", err, b.String())
	}
	for i := range again.Backends {
		again.Backends[i].Keys = map[string]any{}
	}
	if !reflect.DeepEqual(again, c) {
		t.Errorf("wrote\n%s\nwhich loads to %+v\nwant %+v", b.String(), again, c)
	}
}
