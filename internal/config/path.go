package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// path leads to a value: keys are strings, indexes are ints.
type path []any

func (p path) key(key string) path { return append(slices.Clip(p), key) }

func (p path) index(i int) path { return append(slices.Clip(p), i) }

func (p path) String() string {
	var b strings.Builder
	for i, part := range p {
		switch part := part.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", part)
		case string:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(showLine(toml.Key{part}.String()))
		}
	}
	return b.String()
}

// secret reports whether the path leads to a secret, or into a list of them.
func (p path) secret() bool {
	for _, part := range p {
		if key, ok := part.(string); ok && isSecret(key) {
			return true
		}
	}
	return false
}

// located is a value as TOML gave it, with its path.
type located struct {
	path path
	raw  any
}

// assignment quotes it as the file might have it, unless it is a secret or a URL that may have one.
func (l located) assignment() string {
	value := quote(masked)
	if text, _ := l.raw.(string); !l.path.secret() && !(strings.Contains(text, "://") && strings.Contains(text, "@")) {
		value = showTOML(l.raw)
	}
	return fmt.Sprintf("%s = %s", l.path, value)
}
