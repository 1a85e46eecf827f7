package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// maxShown bounds how much of a value an error quotes, in characters.
const maxShown = 80

// showTOML writes a value as the file would have it, on one line, cut if it is long.
func showTOML(value any) string {
	switch v := value.(type) {
	case string:
		return quote(v)
	case float64:
		return showNumber(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case []any:
		return showList(v)
	case map[string]any:
		return "{…}"
	case []map[string]any:
		return "[{…}]"
	}
	return fmt.Sprint(value)
}

func showList(elements []any) string {
	shown := make([]string, 0, len(elements))
	for _, element := range elements {
		shown = append(shown, showTOML(element))
	}
	return cut("[" + strings.Join(shown, ", ") + "]")
}

// ShowText writes what was typed on the command line, quoted if it would not be clear otherwise: on
// one line, cut if it is long.
func ShowText(s string) string {
	if s == "" || !isPlainText(s) || strings.ContainsFunc(s, unicode.IsSpace) {
		return quote(s)
	}
	return cut(s)
}

// showLine keeps a text of someone else on one line.
func showLine(s string) string {
	if isPlainText(s) {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

func quote(s string) string { return strconv.Quote(cut(s)) }

func cut(s string) string {
	if characters := []rune(s); len(characters) > maxShown {
		return string(characters[:maxShown]) + "…"
	}
	return s
}
