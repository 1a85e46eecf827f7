package exporter

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
)

// maxSaid is how many characters of what a server says are told.
const maxSaid = 200

// Said is what a server says, such as the body of an answer, as an error may quote it: its first 200
// characters, on one line and without control characters.
func Said(text string) string {
	graphic := strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return ' '
		}
		return r
	}, text)
	line := strings.Join(strings.Fields(graphic), " ")
	if characters := []rune(line); len(characters) > maxSaid {
		return string(characters[:maxSaid]) + "…"
	}
	return line
}

// Answered is the error for an answer that is not the one hoped for: what was asked, the status, and what
// the server says.
func Answered(r *http.Request, status, body string) error {
	asked := fmt.Sprintf("%s %s: %s", r.Method, r.URL, status)
	if said := Said(body); said != "" {
		return fmt.Errorf("%s: %s", asked, said)
	}
	return errors.New(asked)
}
