package repolint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const maxLines = 600

// topLevel is all there may be, and must be, at the root beside dot files.
var topLevel = []string{
	"LICENSE", "Makefile", "README.md", "go.mod", "go.sum",
	"bench", "cmd", "internal", "pkg", "scripts",
}

// folders are the packages that may lie directly in a folder. Before adding one, see whether the
// list still reads like the way of a probe through the program.
var folders = map[string][]string{
	"cmd": {"latency-monitor"},
	"pkg": {"latencymonitor", "measurement", "ring", "stamp", "zmtp"},
	"internal": {
		"clock",
		"config",
		"engine",
		"exporter",
		"isolation",
		"loop",
		"match",
		"netnstest",
		"packetio",
		"privilege",
		"reflector",
		"repolint",
		"resolver",
		"rtthread",
		"schedule",
		"selfstats",
		"sender",
		"serverstest",
		"sys",
		"textproto",
		"timestamp",
		"waittest",
	},
}

// rootEntries: the top level holds exactly what topLevel says.
func rootEntries(t *tree) []string {
	var found []string
	missing := slices.Clone(topLevel)
	for _, name := range t.paths {
		entry, _, _ := strings.Cut(name, "/")
		missing = slices.DeleteFunc(missing, func(m string) bool { return m == entry })
		if !strings.HasPrefix(entry, ".") && !slices.Contains(topLevel, entry) {
			found = append(found, name+": does not belong to the top level")
		}
	}
	for _, name := range missing {
		found = append(found, name+": missing at the top level")
	}
	return found
}

// packageFolders: cmd, pkg and internal hold the packages that folders lists.
func packageFolders(t *tree) []string {
	var found []string
	for _, name := range t.paths {
		elements := strings.Split(name, "/")
		known, ok := folders[elements[0]]
		if !ok {
			continue
		}
		if len(elements) == 2 || !slices.Contains(known, elements[1]) {
			found = append(found, fmt.Sprintf("%s: in no folder of %s that is known here", name, elements[0]))
		}
	}
	return found
}

// fileLengths: a file of more than maxLines lines holds more than one idea.
func fileLengths(t *tree) []string {
	var found []string
	for _, f := range t.goFiles {
		if f.lines > maxLines {
			found = append(found, fmt.Sprintf("%s: %d lines, more than %d", f.path, f.lines, maxLines))
		}
	}
	return found
}

// makeTarget matches "target: prerequisites ## help", and not "VARIABLE := value" nor ".PHONY: x".
var makeTarget = regexp.MustCompile(`(?m)^([A-Za-z0-9][^\s:=]*(?: +[^\s:=]+)*) *:(?:[^=\n].*)?$`)

// makefileHelp: every target of the Makefile says on its line what it does.
func makefileHelp(t *tree) []string {
	var found []string
	for _, match := range makeTarget.FindAllStringSubmatch(t.makefile, -1) {
		if _, help, _ := strings.Cut(match[0], "## "); strings.TrimSpace(help) == "" {
			found = append(found, fmt.Sprintf("Makefile: target %s has no ## help", match[1]))
		}
	}
	return found
}
