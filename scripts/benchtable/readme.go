package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var beginMark = regexp.MustCompile(`(?m)^<!-- begin (\S+) -->\n`)

// fill puts each section between the marks of its name. A benchmark that has marks but was not run is said to be not
// measured; a section without marks is an error, so that nothing that was measured is left out.
func fill(readme string, sections map[string]string) (string, error) {
	var filled strings.Builder
	missing := maps.Clone(sections)
	for {
		mark := beginMark.FindStringSubmatchIndex(readme)
		if mark == nil {
			break
		}
		name := readme[mark[2]:mark[3]]
		filled.WriteString(readme[:mark[1]])
		end := fmt.Sprintf("<!-- end %s -->\n", name)
		_, after, ok := strings.Cut(readme[mark[1]:], end)
		if !ok {
			return "", fmt.Errorf("no %q", strings.TrimSpace(end))
		}
		text, ok := sections[name]
		if !ok {
			text = "Not measured.\n"
		}
		filled.WriteString("\n" + text + "\n" + end)
		delete(missing, name)
		readme = after
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("no marks for %s", strings.Join(slices.Sorted(maps.Keys(missing)), ", "))
	}
	return filled.String() + readme, nil
}
