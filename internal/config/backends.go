package config

import (
	"fmt"
	"maps"
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
	keys, known := backendKeys[b.name.value]
	if !known {
		b.keys = foreignKeys(t.values)
		return b
	}
	b.readKeys(t, keys)
	t.close()
	return b
}

func foreignKeys(values map[string]any) map[string]any {
	keys := normalize(values).(map[string]any)
	delete(keys, "backend")
	return keys
}

// normalize copies a value and turns the library's []map[string]any into []any, so that [[x]] and
// x = [{…}] are the same to the reader.
func normalize(value any) any {
	switch v := value.(type) {
	case map[string]any:
		copied := maps.Clone(v)
		for key, element := range copied {
			copied[key] = normalize(element)
		}
		return copied
	case []any:
		copied := slices.Clone(v)
		for i, element := range copied {
			copied[i] = normalize(element)
		}
		return copied
	case []map[string]any:
		copied := make([]any, len(v))
		for i, element := range v {
			copied[i] = normalize(element)
		}
		return copied
	}
	return value
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
