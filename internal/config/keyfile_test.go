//go:build !windows

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestKeyFilesThatOthersMayReadOrWriteAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.key")
	writeFile(t, file, keyA)
	text := fmt.Sprintf("name = \"n\"\nauth_keys_file = %q\n[[targets]]\nhost = \"h\"\nauth_key_file = %[1]q", file)
	for _, test := range []struct {
		mode    os.FileMode
		allowed bool
	}{
		{0o600, true}, {0o400, true}, {0o700, true}, {0o711, true},
		{0o640, false}, {0o644, false}, {0o604, false}, {0o620, false}, {0o602, false}, {0o666, false},
	} {
		if err := os.Chmod(file, test.mode); err != nil {
			t.Fatal(err)
		}
		want := ""
		if !test.allowed {
			want = fmt.Sprintf("latency.toml: targets[0].auth_key_file = %q: must not be readable or writable by "+
				"group or others: its mode is %04o, make it 0600", file, test.mode)
		}
		_, err := Parse([]byte(text), DefaultFile, Overrides{})
		checkError(t, err, want)
	}
}

func TestUnusableKeyFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(dir, "long.key")
	writeFile(t, long, string(make([]byte, maxKeyFile+1)))
	for file, want := range map[string]string{
		filepath.Join(dir, "missing.key"): "no such file or directory",
		dir:                               "is a directory",
		long:                              "must be a file of at most 65536 octets",
	} {
		_, err := Parse(fmt.Appendf(nil, "name = \"n\"\nauth_keys_file = %q", file), DefaultFile, Overrides{})
		checkError(t, err, fmt.Sprintf("latency.toml: auth_keys_file = %q: %s", file, want))
	}
}

// The file of a key is found from the working directory, as the log file is.
func TestKeyFileIsFoundFromTheWorkingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "a.key", keyA+"\n")
	writeFile(t, DefaultFile, "name = \"n\"\nauth_keys_file = \"a.key\"")
	c, err := Load(Overrides{})
	if err != nil || len(c.Reflector.AuthKeys) != 1 || string(c.Reflector.AuthKeys[0]) != keyA {
		t.Errorf("Load = %q, %v, want the key of the file", c.Reflector.AuthKeys, err)
	}
}
