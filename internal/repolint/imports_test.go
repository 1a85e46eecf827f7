package repolint

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// sysImporters may import internal/sys.
var sysImporters = []string{
	"internal/clock",
	"internal/isolation",
	"internal/loop",
	"internal/packetio",
	"internal/rtthread",
	"internal/schedule",
	"internal/timestamp",
}

// engineOnly is what the exporter side may not reach: between the two sides there are only commands,
// session descriptors, rings and counters.
var engineOnly = []string{
	"internal/loop",
	"internal/packetio",
	"internal/reflector",
	"internal/sender",
}

// library is the package in pkg that the program's parts are behind. It is made of them, so it may import
// internal/*, and what these need of other modules.
const library = "pkg/latencymonitor"

// pkgImports: pkg/* imports the standard library and other pkg/* only, except the library, which no
// other package in pkg may import.
func pkgImports(t *tree) []string {
	var found []string
	for _, f := range t.goFiles {
		if !within(f.dir, "pkg") || within(f.dir, library) {
			continue
		}
		for _, imported := range sortedImports(f) {
			if within(imported, modulePath+"/"+library) {
				found = append(found, fmt.Sprintf("%s: imports %s, and with it internal packages", f.path, imported))
			}
			if !standard(imported) && !within(imported, modulePath+"/pkg") {
				found = append(found, fmt.Sprintf("%s: imports %s, which is neither of the standard library nor in pkg", f.path, imported))
			}
		}
	}
	return found
}

// sysImports: only some packages, with their tests, import internal/sys.
func sysImports(t *tree) []string {
	var found []string
	for _, f := range t.goFiles {
		if withinAny(f.dir, append(sysImporters, "internal/sys")) {
			continue
		}
		for _, imported := range sortedImports(f) {
			if within(imported, modulePath+"/internal/sys") {
				found = append(found, fmt.Sprintf("%s: imports internal/sys, which only %s may",
					f.path, strings.Join(sysImporters, ", ")))
			}
		}
	}
	return found
}

// exporterImports: exporters do not import the engine's packages, not by way of others either.
func exporterImports(t *tree) []string {
	graph := importGraph(t)
	var found []string
	for _, f := range t.goFiles {
		if !within(f.dir, "internal/exporter") {
			continue
		}
		for _, imported := range sortedImports(f) {
			dir, ok := strings.CutPrefix(imported, modulePath+"/")
			if !ok {
				continue
			}
			if way := wayToEngine(graph, dir, nil); way != nil {
				found = append(found, fmt.Sprintf("%s: imports %s, which belongs to the engine",
					f.path, strings.Join(way, ", which imports ")))
			}
		}
	}
	return found
}

// importGraph returns which packages of the module each of its packages imports, tests left out.
func importGraph(t *tree) map[string][]string {
	graph := make(map[string][]string)
	for _, f := range t.goFiles {
		if f.test {
			continue
		}
		for _, imported := range sortedImports(f) {
			if dir, ok := strings.CutPrefix(imported, modulePath+"/"); ok {
				graph[f.dir] = append(graph[f.dir], dir)
			}
		}
	}
	return graph
}

// wayToEngine returns the packages from dir to one of the engine, or nil when there is no way.
// Imports have no cycles, but a tree that does not compile may.
func wayToEngine(graph map[string][]string, dir string, before []string) []string {
	way := append(slices.Clone(before), dir)
	if withinAny(dir, engineOnly) {
		return way
	}
	if slices.Contains(before, dir) {
		return nil
	}
	for _, next := range graph[dir] {
		if found := wayToEngine(graph, next, way); found != nil {
			return found
		}
	}
	return nil
}

func sortedImports(f goFile) []string {
	return slices.Sorted(maps.Values(f.imports))
}

// standard reports whether an import path is of the standard library: its first element has no dot.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// within reports whether a path is the folder or below it.
func within(name, folder string) bool {
	return name == folder || strings.HasPrefix(path.Clean(name), folder+"/")
}

func withinAny(name string, folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool { return within(name, folder) })
}
