package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// maxKeyFile bounds a file with keys, in octets.
const maxKeyFile = 64 << 10

// keyFiles reads files with keys, each once: many targets may inherit the same one.
type keyFiles struct {
	read  func(file string) ([]byte, error)
	known map[string]keyFile
}

type keyFile struct {
	keys []Key
	err  error
}

// one reads the only key of the file that a setting names.
func (f *keyFiles) one(name *setting[string]) (Key, error) {
	keys, err := f.all(name)
	if err == nil && len(keys) > 1 {
		err = fmt.Errorf("%s: must have one key, and has %d", name.from, len(keys))
	}
	if err != nil {
		return nil, err
	}
	return keys[0], nil
}

// all reads the keys, one or more, of the file that a setting names.
func (f *keyFiles) all(name *setting[string]) ([]Key, error) {
	got, known := f.known[name.value]
	if !known {
		got = f.load(name.value)
		f.known[name.value] = got
	}
	if got.err != nil {
		return nil, fmt.Errorf("%s: %w", name.from, got.err)
	}
	return got.keys, nil
}

func (f *keyFiles) load(name string) keyFile {
	data, err := f.read(name)
	if err != nil {
		return keyFile{err: cause(err)}
	}
	keys, err := parseKeys(string(data))
	return keyFile{keys, err}
}

// parseKeys reads one key a line. Empty lines and those that begin with # are for people. The error
// names the line and does not quote it.
func parseKeys(text string) ([]Key, error) {
	var keys []Key
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if line == "" || isComment(line) {
			continue
		}
		key, ok := parseKey(line)
		if !ok {
			return nil, fmt.Errorf("line %d: must be %s", number, keyAllowed)
		}
		if containsKey(keys, key) {
			return nil, fmt.Errorf("line %d: must be given once", number)
		}
		keys = append(keys, key)
	}
	switch {
	case len(keys) == 0:
		return nil, errors.New("must have a key: it is empty")
	case len(keys) > maxKeys:
		return nil, fmt.Errorf("must have at most %d keys, and has %d", maxKeys, len(keys))
	}
	return keys, nil
}

func containsKey(keys []Key, key Key) bool {
	return slices.ContainsFunc(keys, func(k Key) bool { return string(k) == string(key) })
}

// readSecret reads a file that nobody but its owner can read or write.
func readSecret(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkSecret(info.Mode()); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err == nil && len(data) > maxKeyFile {
		err = fmt.Errorf("must be a file of at most %d octets", maxKeyFile)
	}
	return data, err
}
