package clickhouse

import (
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
)

// pairs are tags as keys and values of a Map, in their order. A tag without a colon is a key with the
// value "". It is its own iterator, so that a row does not allocate one.
type pairs struct {
	keys, values []any
	next         int
}

func newPairs(tags []string) *pairs {
	p := new(pairs)
	for _, tag := range tags {
		key, value, _ := strings.Cut(tag, ":")
		p.Put(key, value)
	}
	return p
}

// Put appends a pair.
func (p *pairs) Put(key, value any) { p.keys, p.values = append(p.keys, key), append(p.values, value) }

// Iterator starts anew.
func (p *pairs) Iterator() column.MapIterator {
	p.next = 0
	return p
}

// Next goes to the next pair, if there is one.
func (p *pairs) Next() bool {
	p.next++
	return p.next <= len(p.keys)
}

// Key is that of the present pair.
func (p *pairs) Key() any { return p.keys[p.next-1] }

// Value is that of the present pair.
func (p *pairs) Value() any { return p.values[p.next-1] }
