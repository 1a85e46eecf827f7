package config

import (
	"fmt"
	"slices"
)

// readBackends reads [metrics] or [[metrics]].
func readBackends(root *table) []backend {
	var backends []backend
	for _, t := range root.oneOrMoreTables("metrics") {
		b := readBackend(t)
		if earlier := indexOfBackend(backends, b.name.value); earlier >= 0 {
			root.doc.fail(fmt.Errorf("%s: must be given once, and metrics[%d] has it too",
				b.name.from, earlier))
		}
		backends = append(backends, b)
	}
	return backends
}

// readBackend reads one backend.
func readBackend(t *table) backend {
	b := backend{name: require(t, "backend", backendRule), keys: map[string]any{}}
	b.readKeys(t, backendKeys[b.name.value])
	t.close()
	return b
}

func indexOfBackend(backends []backend, name string) int {
	return slices.IndexFunc(backends, func(b backend) bool { return b.name.value == name })
}

// newBackend is a backend that only its name was given of.
func newBackend(name string, from origin) backend {
	b := backend{name: setting[string]{name, from}, keys: map[string]any{}}
	b.readKeys(&table{doc: new(document), path: path{"metrics"}}, backendKeys[name])
	return b
}
