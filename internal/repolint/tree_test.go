package repolint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/latency-monitor/latency-monitor"

// tree is what the rules look at: a repository's files, by slash-separated path from its root.
type tree struct {
	paths    []string // all files, sorted
	goFiles  []goFile
	makefile string
	fset     *token.FileSet
}

// goFile is one parsed Go file.
type goFile struct {
	path    string
	dir     string
	test    bool
	lines   int
	syntax  *ast.File
	imports map[string]string // import path by the name the file uses for it
}

// at names a place in a file.
func (t *tree) at(node ast.Node) string {
	p := t.fset.Position(node.Pos())
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// newTree parses a repository given as file contents by path.
func newTree(files map[string]string) (*tree, error) {
	t := &tree{
		paths:    slices.Sorted(maps.Keys(files)),
		makefile: files["Makefile"],
		fset:     token.NewFileSet(),
	}
	for _, name := range t.paths {
		if path.Ext(name) != ".go" || strings.Contains(name, "testdata/") {
			continue
		}
		syntax, err := parser.ParseFile(t.fset, name, files[name], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		t.goFiles = append(t.goFiles, goFile{
			path:    name,
			dir:     path.Dir(name),
			test:    strings.HasSuffix(name, "_test.go"),
			lines:   strings.Count(files[name], "\n"),
			syntax:  syntax,
			imports: importsByName(syntax),
		})
	}
	return t, nil
}

// importsByName takes the last element of a path for the package's name, which holds for all the
// packages that rules ask for by name.
func importsByName(f *ast.File) map[string]string {
	imports := make(map[string]string)
	for _, spec := range f.Imports {
		importPath, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(importPath)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == "_" || name == "." {
			name += importPath // there may be several
		}
		imports[name] = importPath
	}
	return imports
}

// readTree reads the repository this test is part of.
func readTree(t *testing.T) *tree {
	t.Helper()
	root := filepath.Join("..", "..")
	paths, err := gitPaths(root)
	if err != nil {
		t.Logf("listing the folder, because git does not: %v", err)
		paths, err = folderPaths(root)
	}
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, name := range paths {
		content, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // removed, but git does not know yet
		}
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(content)
	}
	result, err := newTree(files)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.goFiles) == 0 {
		t.Fatalf("no Go files in %s", root)
	}
	return result
}

// gitPaths lists the files git tracks, and those it would if they were added.
func gitPaths(root string) ([]string, error) {
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 }), nil
}

// folderPaths lists the files of a copy without git, but for those .gitignore names.
func folderPaths(root string) ([]string, error) {
	ignore, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	patterns := append(strings.Fields(string(ignore)), ".git")
	var paths []string
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		relative, _ := filepath.Rel(root, name)
		relative = filepath.ToSlash(relative)
		if ignored(patterns, relative) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.Type().IsRegular() {
			paths = append(paths, relative)
		}
		return nil
	})
	return paths, err
}

// ignored understands patterns for a name anywhere ("*.test") and for a path from the root ("/dist/").
func ignored(patterns []string, relative string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		subject := path.Base(relative)
		if strings.HasPrefix(pattern, "/") {
			subject = relative
		}
		match, _ := path.Match(strings.Trim(pattern, "/"), subject)
		return match
	})
}
