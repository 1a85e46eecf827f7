package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// source is a TOML file in memory.
type source struct {
	file string // its name, for errors
	data []byte
}

// document is a TOML file being read. It keeps the first mistake.
type document struct {
	file   string
	lines  []string
	pieces int // how many pieces of the file were parsed to find a line
	err    error
}

// openRoot parses the file and returns its top level.
func openRoot(src source) (*table, error) {
	doc := &document{file: src.file, lines: strings.SplitAfter(string(src.data), "\n")}
	values, err := decode(string(src.data))
	if err != nil {
		return nil, fmt.Errorf("%s: %s", src.file, doc.syntaxMessage(err))
	}
	return &table{doc: doc, values: values}, nil
}

func decode(text string) (map[string]any, error) {
	var values map[string]any
	_, err := toml.Decode(text, &values)
	return values, err
}

// syntaxMessage puts an error of the TOML library on one line, with the line number first. It does not
// quote a secret, as the library would one without quotes.
func (d *document) syntaxMessage(err error) string {
	var parseErr toml.ParseError
	if !errors.As(err, &parseErr) {
		return showLine(strings.TrimPrefix(err.Error(), "toml: "))
	}
	line := parseErr.Position.Line
	if key := d.keyAt(line); isSecret(key) {
		return fmt.Sprintf("line %d: %s: must be a string in quotes, or a list of them", line, showLine(key))
	}
	return fmt.Sprintf("line %d: %s", line, showLine(parseErr.Message))
}

// keyAt is the key to which a line belongs: the last one that is followed by =, there or before.
func (d *document) keyAt(line int) string {
	for i := min(line, len(d.lines)) - 1; i >= 0; i-- {
		if key, _, found := strings.Cut(d.lines[i], "="); found {
			return strings.Trim(key[strings.LastIndexByte(key, '.')+1:], " \t\"'")
		}
	}
	return ""
}

func (d *document) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *document) origin(at located) origin {
	return origin{d.file, at.assignment()}
}

func (d *document) wrongType(at located, want string) error {
	where := d.file
	if line, found := d.line(at.path); found {
		where = fmt.Sprintf("%s: line %d", d.file, line)
	}
	return fmt.Errorf("%s: %s: must be %s", where, at.assignment(), want)
}
