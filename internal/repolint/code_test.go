package repolint

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// packageComments: every package has a comment that starts as godoc wants it.
func packageComments(t *tree) []string {
	var dirs []string
	commented := make(map[string]bool)
	for _, f := range t.goFiles {
		if !slices.Contains(dirs, f.dir) {
			dirs = append(dirs, f.dir)
		}
		start := "Package " + f.syntax.Name.Name + " "
		if f.syntax.Name.Name == "main" {
			start = "Command "
		}
		if strings.HasPrefix(f.syntax.Doc.Text(), start) {
			commented[f.dir] = true
		}
	}
	var found []string
	for _, dir := range dirs {
		if !commented[dir] {
			found = append(found, dir+": no comment that starts with \"Package NAME\" or \"Command\"")
		}
	}
	return found
}

// unsafeCode: only internal/sys imports unsafe or makes raw system calls.
func unsafeCode(t *tree) []string {
	var found []string
	for _, f := range t.goFiles {
		if within(f.dir, "internal/sys") {
			continue
		}
		if slices.Contains(sortedImports(f), "unsafe") {
			found = append(found, f.path+": imports unsafe outside internal/sys")
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if rawSyscall(f, n) {
				found = append(found, t.at(n)+": raw system call outside internal/sys")
			}
			return true
		})
	}
	return found
}

func rawSyscall(f goFile, n ast.Node) bool {
	importPath, name := qualified(f, n)
	return (importPath == "syscall" || importPath == "golang.org/x/sys/unix") &&
		(strings.HasPrefix(name, "Syscall") || strings.HasPrefix(name, "RawSyscall"))
}

// platformTests: code does not ask runtime.GOOS; files for one platform have its suffix. An error
// message may name the system.
func platformTests(t *tree) []string {
	var found []string
	for _, f := range t.goFiles {
		if f.test {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if slices.ContainsFunc(decidedOn(n), func(e ast.Expr) bool { return isGOOS(f, e) }) {
				found = append(found, t.at(n)+": decides by runtime.GOOS; use files per platform")
			}
			return true
		})
	}
	return found
}

// decidedOn returns the expressions whose values decide something at this node.
func decidedOn(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if n.Op == token.EQL || n.Op == token.NEQ {
			return []ast.Expr{n.X, n.Y}
		}
	case *ast.SwitchStmt:
		return []ast.Expr{n.Tag}
	case *ast.IndexExpr:
		return []ast.Expr{n.Index}
	}
	return nil
}

func isGOOS(f goFile, e ast.Expr) bool {
	importPath, name := qualified(f, e)
	return importPath == "runtime" && name == "GOOS"
}

// exits: only the main packages end the process. Test helpers may fail a test.
func exits(t *tree) []string {
	var found []string
	for _, f := range t.goFiles {
		if f.test || f.syntax.Name.Name == "main" {
			continue
		}
		helper := slices.Contains(sortedImports(f), "testing")
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			importPath, name := qualified(f, n)
			if importPath == "os" && name == "Exit" {
				found = append(found, t.at(n)+": os.Exit outside a main package")
			}
			if call, ok := n.(*ast.CallExpr); ok && !helper && callsFatal(call) {
				found = append(found, t.at(n)+": Fatal outside a main package")
			}
			return true
		})
	}
	return found
}

// callsFatal recognises log.Fatal, log.Fatalf, log.Fatalln and a logger's method Fatal.
func callsFatal(call *ast.CallExpr) bool {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	return ok && slices.Contains([]string{"Fatal", "Fatalf", "Fatalln"}, selector.Sel.Name)
}

// qualified returns what a node like os.Exit refers to: "os" and "Exit"; else "", "".
func qualified(f goFile, n ast.Node) (importPath, name string) {
	selector, ok := n.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	ident, ok := selector.X.(*ast.Ident)
	if !ok {
		return "", ""
	}
	return f.imports[ident.Name], selector.Sel.Name
}

// docComments: every exported type, function, method, constant and variable has a comment. A group
// of constants or variables may have one for all.
func docComments(t *tree) []string {
	var found []string
	for _, f := range t.goFiles {
		if f.test {
			continue
		}
		for _, decl := range f.syntax.Decls {
			for _, name := range undocumented(decl) {
				found = append(found, fmt.Sprintf("%s: %s has no doc comment", t.at(name), name.Name))
			}
		}
	}
	return found
}

// undocumented returns the exported names without comment that a declaration declares.
func undocumented(decl ast.Decl) []*ast.Ident {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc.Text() == "" && exportedReceiver(d) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		var names []*ast.Ident
		for _, spec := range d.Specs {
			names = append(names, undocumentedSpec(d, spec)...)
		}
		return names
	}
	return nil
}

func undocumentedSpec(d *ast.GenDecl, spec ast.Spec) []*ast.Ident {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		alone := !d.Lparen.IsValid() && d.Doc.Text() != ""
		if s.Name.IsExported() && s.Doc.Text() == "" && !alone {
			return []*ast.Ident{s.Name}
		}
	case *ast.ValueSpec:
		if d.Doc.Text() == "" && s.Doc.Text() == "" && s.Comment.Text() == "" {
			return slices.DeleteFunc(slices.Clone(s.Names), func(n *ast.Ident) bool { return !n.IsExported() })
		}
	}
	return nil
}

// exportedReceiver reports whether a function is no method or a method of an exported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	receiver := d.Recv.List[0].Type
	for {
		switch r := receiver.(type) {
		case *ast.StarExpr:
			receiver = r.X
		case *ast.IndexExpr:
			receiver = r.X
		case *ast.IndexListExpr:
			receiver = r.X
		case *ast.Ident:
			return r.IsExported()
		default:
			return true
		}
	}
}
