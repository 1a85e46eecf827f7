package config

import (
	"fmt"
	"slices"
	"strings"
)

// table reads one TOML table. Whoever reads its keys and then closes it has checked it whole: close
// finds the keys nobody asked for. The first mistake is kept in the document; after it every read
// returns nothing.
type table struct {
	doc    *document
	path   path
	values map[string]any
	known  []string // the keys that were asked for
}

// read returns the value of a key, nil if it is absent or there was a mistake.
func read[T any](t *table, key string, r rule[T]) *setting[T] {
	raw, present := t.take(key)
	if !present {
		return nil
	}
	return check(t.doc, located{t.path.key(key), raw}, r)
}

// require is read for a key that must be there.
func require[T any](t *table, key string, r rule[T]) setting[T] {
	got := read(t, key, r)
	if got == nil {
		t.doc.fail(fmt.Errorf("%s: %s is missing: must be %s", t.doc.file, t.path.key(key), r.want()))
		return setting[T]{}
	}
	return *got
}

// readList is read for a list.
func readList[T comparable](t *table, key string, r listRule[T]) *setting[[]T] {
	raw, present := t.take(key)
	if !present {
		return nil
	}
	at := located{t.path.key(key), raw}
	elements, ok := raw.([]any)
	if !ok {
		t.doc.fail(t.doc.wrongType(at, r.kind))
		return nil
	}
	if len(elements) > r.maxCount {
		t.doc.fail(fmt.Errorf("%s: %s has %d elements: must be at most %d",
			t.doc.file, at.path, len(elements), r.maxCount))
		return nil
	}
	return &setting[[]T]{checkElements(t.doc, at, r), t.doc.origin(at)}
}

func checkElements[T comparable](d *document, list located, r listRule[T]) []T {
	var values []T // nil if the list is empty, as if there were none
	for i, raw := range list.raw.([]any) {
		at := located{list.path.index(i), raw}
		element := check(d, at, r.element)
		if element == nil {
			return nil
		}
		if r.distinct && slices.Contains(values, element.value) {
			d.fail(d.origin(at).mustBe("given once"))
			return nil
		}
		values = append(values, element.value)
	}
	return values
}

// check holds a value against its rule.
func check[T any](d *document, at located, r rule[T]) *setting[T] {
	if at.raw == masked && at.path.secret() {
		d.fail(d.origin(at).mustBe("the secret itself: this is what stands for it where a configuration is printed"))
		return nil
	}
	value, ok := r.decode(at.raw)
	if !ok {
		d.fail(d.wrongType(at, r.want()))
		return nil
	}
	from := d.origin(at)
	if !r.accepts(value) {
		d.fail(from.mustBe(r.allowed))
		return nil
	}
	return &setting[T]{value, from}
}

// table returns the table under a key, an empty one if the key is absent.
func (t *table) table(key string) *table {
	sub := &table{doc: t.doc, path: t.path.key(key)}
	raw, present := t.take(key)
	if !present {
		return sub
	}
	values, ok := raw.(map[string]any)
	if !ok {
		t.doc.fail(t.doc.wrongType(located{sub.path, raw}, fmt.Sprintf("a table, [%s]", key)))
	}
	sub.values = values
	return sub
}

// tables returns the array of tables under a key.
func (t *table) tables(key string) []*table {
	raw, present := t.take(key)
	if !present {
		return nil
	}
	at := located{t.path.key(key), raw}
	elements, ok := asTables(raw)
	if !ok {
		t.doc.fail(t.doc.wrongType(at, fmt.Sprintf("an array of tables, [[%s]]", key)))
		return nil
	}
	var subs []*table
	for i, values := range elements {
		subs = append(subs, &table{doc: t.doc, path: at.path.index(i), values: values})
	}
	return subs
}

// oneOrMoreTables returns the tables under a key that may hold one table or an array of them.
func (t *table) oneOrMoreTables(key string) []*table {
	if _, isTable := t.values[key].(map[string]any); isTable {
		return []*table{t.table(key)}
	}
	return t.tables(key)
}

// asTables takes [[x]], which TOML decodes to []map[string]any, and x = [{…}], which it decodes to
// []any.
func asTables(raw any) ([]map[string]any, bool) {
	if tables, ok := raw.([]map[string]any); ok {
		return tables, true
	}
	list, ok := raw.([]any)
	if !ok {
		return nil, false
	}
	var tables []map[string]any
	for _, element := range list {
		values, ok := element.(map[string]any)
		if !ok {
			return nil, false
		}
		tables = append(tables, values)
	}
	return tables, true
}

// take returns what TOML has for a key, and notes that the key is known. It has nothing after a
// mistake.
func (t *table) take(key string) (raw any, present bool) {
	t.known = append(t.known, key)
	if t.doc.err != nil {
		return nil, false
	}
	raw, present = t.values[key]
	return raw, present
}

// close reports the first key, in alphabetical order, that was never asked for.
func (t *table) close() {
	var unknown []string
	for key := range t.values {
		if !slices.Contains(t.known, key) {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) == 0 {
		return
	}
	slices.Sort(unknown)
	t.doc.fail(fmt.Errorf("%s: unknown key %s (%s)",
		t.doc.file, quoteKey(t.path.key(unknown[0])), t.hint(unknown[0])))
}

func (t *table) hint(unknown string) string {
	if near, ok := Nearest(unknown, t.known); ok {
		return fmt.Sprintf("did you mean %q?", near)
	}
	known := slices.Clone(t.known)
	slices.Sort(known)
	return "known keys here: " + strings.Join(known, ", ")
}

// quoteKey quotes a path unless a part of it is quoted already.
func quoteKey(p path) string {
	if s := p.String(); strings.Contains(s, `"`) {
		return s
	}
	return `"` + p.String() + `"`
}
