package config

import (
	"sort"
	"strings"
)

// maxPieces bounds the work of finding a line. It is spent only on a statement of hundreds of lines.
const maxPieces = 100

// line returns the number of the line where the statement that sets a path begins. It returns false
// if that would take too long to find out.
//
// The TOML library tells positions only by key, which is not enough for one of several [[targets]].
// But a file cut after any whole statement is a file too, and with every line more it can only gain
// values. So the line is found by bisection: the shortest piece of the file that has the value.
func (d *document) line(p path) (number int, found bool) {
	end := sort.Search(len(d.lines), func(lines int) bool {
		values, _ := d.longestPiece(lines)
		return lookup(values, p)
	})
	_, before := d.longestPiece(end - 1)
	return before + 1, d.pieces < maxPieces
}

// longestPiece returns what the longest piece of at most so many lines holds that parses, and its
// length.
func (d *document) longestPiece(lines int) (map[string]any, int) {
	for ; lines > 0 && d.pieces < maxPieces; lines-- {
		d.pieces++
		if values, err := decode(strings.Join(d.lines[:lines], "")); err == nil {
			return values, lines
		}
	}
	return nil, 0
}

// lookup reports whether there is a value at the path.
func lookup(values map[string]any, p path) bool {
	var node any = values
	for _, part := range p {
		var ok bool
		if node, ok = child(node, part); !ok {
			return false
		}
	}
	return true
}

// child returns what a table has under a key, or an array at an index.
func child(node, part any) (any, bool) {
	switch part := part.(type) {
	case string:
		table, _ := node.(map[string]any)
		value, ok := table[part]
		return value, ok
	case int:
		return element(node, part)
	}
	return nil, false
}

func element(node any, i int) (any, bool) {
	switch array := node.(type) {
	case []map[string]any:
		if i < len(array) {
			return array[i], true
		}
	case []any:
		if i < len(array) {
			return array[i], true
		}
	}
	return nil, false
}
