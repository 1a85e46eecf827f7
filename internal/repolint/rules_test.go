package repolint

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rule returns what breaks it, one line each, starting with the file.
type rule struct {
	name  string
	check func(*tree) []string
}

func rules() []rule {
	return []rule{
		{"every package has a comment", packageComments},
		{"pkg, but for the library, imports the standard library and pkg only", pkgImports},
		{"only the lowest packages import internal/sys", sysImports},
		{"exporters do not import the engine", exporterImports},
		{"unsafe and raw system calls are in internal/sys only", unsafeCode},
		{"no decision by runtime.GOOS outside tests", platformTests},
		{"only main packages end the process", exits},
		{"exported names have doc comments", docComments},
		{"the top level holds exactly what it should", rootEntries},
		{"packages are in known folders", packageFolders},
		{"no file is too long", fileLengths},
		{"Makefile targets have help", makefileHelp},
	}
}

func TestRepositoryKeepsRules(t *testing.T) {
	repository := readTree(t)
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			for _, line := range r.check(repository) {
				t.Error(line)
			}
		})
	}
}

// Every rule has rows here that break it and, beside them, what comes near without breaking it.
// A want is the start of a line that the rule returns.
func TestRulesFindWhatBreaksThem(t *testing.T) {
	const module = modulePath
	tests := []struct {
		name  string
		check func(*tree) []string
		files map[string]string
		wants []string
	}{
		{
			"a package without a comment, one whose comment is a build constraint, one that is misnamed",
			packageComments,
			map[string]string{
				"a/a.go":      "package a",
				"b/b.go":      "//go:build linux\n\npackage b",
				"c/c.go":      "// Package wrong does things.\npackage c",
				"good/x.go":   "package good",
				"good/doc.go": "// Package good is good.\npackage good",
				"cmd/x/m.go":  "// Command x does x.\npackage main",
			},
			[]string{"a: no comment", "b: no comment", "c: no comment"},
		},
		{
			"a pkg package that imports internal, one that imports another module, in a test too, and one that imports the library",
			pkgImports,
			map[string]string{
				"pkg/a/a.go":        "package a\nimport \"" + module + "/internal/config\"",
				"pkg/a/a_test.go":   "package a\nimport \"golang.org/x/sys/unix\"",
				"pkg/b/b.go":        "package b\nimport (\n\"net/netip\"\n\"" + module + "/pkg/a\"\n)",
				"internal/c/c.go":   "package c\nimport \"golang.org/x/sys/unix\"",
				"pkg/c/c_plan9.go":  "package c\nimport _ \"" + module + "/internal/sys\"",
				"pkg/c/c_windows.s": "import",
				"pkg/d/d.go":        "package d\nimport _ \"" + module + "/pkg/latencymonitor\"",
				"pkg/latencymonitor/l.go": "package latencymonitor\nimport (\n\"github.com/rs/zerolog\"\n\"" +
					module + "/internal/engine\"\n)",
			},
			[]string{
				"pkg/a/a.go: imports " + module + "/internal/config",
				"pkg/a/a_test.go: imports golang.org/x/sys/unix",
				"pkg/c/c_plan9.go: imports",
				"pkg/d/d.go: imports " + module + "/pkg/latencymonitor, and with it internal",
			},
		},
		{
			"a sender and a bench that import internal/sys",
			sysImports,
			map[string]string{
				"internal/sender/s.go":        "package sender\nimport \"" + module + "/internal/sys\"",
				"bench/b_test.go":             "package bench\nimport \"" + module + "/internal/sys\"",
				"internal/loop/l.go":          "package loop\nimport \"" + module + "/internal/sys\"",
				"internal/clock/c_test.go":    "package clock\nimport \"" + module + "/internal/sys\"",
				"internal/sys/sys_test.go":    "package sys_test\nimport \"" + module + "/internal/sys\"",
				"internal/loopback/l.go":      "package loopback\nimport \"" + module + "/internal/sys\"",
				"internal/match/syscalls.go":  "package match\nimport \"golang.org/x/sys/unix\"",
				"internal/match/systemics.go": "package match\nimport \"" + module + "/internal/system\"",
			},
			[]string{"bench/b_test.go:", "internal/loopback/l.go:", "internal/sender/s.go:"},
		},
		{
			"an exporter that imports the sender, and one that does through the engine",
			exporterImports,
			map[string]string{
				"internal/exporter/e.go":     "package exporter\nimport \"" + module + "/internal/sender\"",
				"internal/exporter/cli/c.go": "package cli\nimport \"" + module + "/internal/engine\"",
				"internal/engine/e.go":       "package engine\nimport \"" + module + "/internal/loop\"",
				"internal/exporter/log/l.go": "package log\nimport \"" + module + "/internal/config\"",
				"internal/config/c_test.go":  "package config\nimport \"" + module + "/internal/loop\"",
			},
			[]string{
				"internal/exporter/cli/c.go: imports internal/engine, which imports internal/loop",
				"internal/exporter/e.go: imports internal/sender",
			},
		},
		{
			"unsafe and raw system calls elsewhere",
			unsafeCode,
			map[string]string{
				"internal/match/m.go":  "package match\nimport \"unsafe\"",
				"internal/clock/c.go":  "package clock\nimport \"golang.org/x/sys/unix\"\nvar _ = unix.RawSyscall6",
				"internal/clock/d.go":  "package clock\nimport \"syscall\"\nvar _ = syscall.Syscall",
				"internal/clock/ok.go": "package clock\nimport \"golang.org/x/sys/unix\"\nvar _ = unix.Getpid",
				"internal/sys/s.go":    "package sys\nimport (\n\"syscall\"\n\"unsafe\"\n)\nvar _ = syscall.Syscall",
			},
			[]string{
				"internal/clock/c.go:3: raw system call",
				"internal/clock/d.go:3: raw system call",
				"internal/match/m.go: imports unsafe",
			},
		},
		{
			"comparisons, a switch and a table by runtime.GOOS",
			platformTests,
			map[string]string{
				"a/a.go": "package a\nimport \"runtime\"\nvar a = runtime.GOOS == \"linux\"\n" +
					"var b = \"linux\" != runtime.GOOS\nvar c = map[string]int{}[runtime.GOOS]\n" +
					"func f() { switch runtime.GOOS { case \"linux\": } }",
				"a/a_test.go": "package a\nimport \"runtime\"\nvar d = runtime.GOOS == \"linux\"",
				"a/stub.go":   "package a\nimport \"runtime\"\nvar err = \"not supported on \" + runtime.GOOS",
			},
			[]string{"a/a.go:3:", "a/a.go:4:", "a/a.go:5:", "a/a.go:6:"},
		},
		{
			"a library that exits, by os, log and a logger",
			exits,
			map[string]string{
				"a/a.go":      "package a\nimport \"os\"\nfunc f() { os.Exit(1) }",
				"a/b.go":      "package a\nimport \"log\"\nfunc g() { log.Fatalf(\"\") }",
				"a/c.go":      "package a\nfunc h() { logger.Fatal().Msg(\"\") }",
				"a/a_test.go": "package a\nimport \"os\"\nfunc i() { os.Exit(1) }",
				"a/helper.go": "package a\nimport \"testing\"\nfunc j(t testing.TB) { t.Fatal() }",
				"cmd/x/x.go":  "package main\nimport \"os\"\nfunc main() { os.Exit(1) }",
			},
			[]string{"a/a.go:3: os.Exit", "a/b.go:3: Fatal", "a/c.go:2: Fatal"},
		},
		{
			"every kind of exported name without a comment",
			docComments,
			map[string]string{
				"a/a.go": "package a\nfunc F() {}\ntype T struct{}\nfunc (t *T) M() {}\nvar V, w = 1, 2\n" +
					"const (\n\tC = 1\n\tD = 2 // D is 2.\n)\n// G is a group.\ntype (\n\tG struct{}\n)\n" +
					"type P[K any] struct{}\nfunc (p P[K]) N() {}",
				"a/good.go": "package a\n// F2 is good.\nfunc F2() {}\nfunc f() {}\ntype t struct{}\n" +
					"func (t) M() {}\n// All of them.\nconst (\n\tX = 1\n\tY = 2\n)\n// T2 is good.\ntype T2 int",
				"a/a_test.go": "package a\nfunc TestF() {}",
			},
			[]string{
				"a/a.go:2: F ", "a/a.go:3: T ", "a/a.go:4: M ", "a/a.go:5: V ", "a/a.go:7: C ",
				"a/a.go:12: G ", "a/a.go:14: P ", "a/a.go:15: N ",
			},
		},
		{
			"a stray folder, a stray file and missing ones",
			rootEntries,
			map[string]string{
				"LICENSE": "", "Makefile": "", "go.mod": "", "go.sum": "", ".ci/run": "", ".gitignore": "",
				"cmd/x.go": "package x", "internal/x": "", "pkg/x": "", "scripts/x": "",
				"docs/x.md": "", "notes.txt": "",
			},
			[]string{"docs/x.md:", "notes.txt:", "README.md: missing", "bench: missing"},
		},
		{
			"unknown packages, and a file beside them",
			packageFolders,
			map[string]string{
				"internal/utils/x.go": "package utils", "pkg/x.go": "package pkg", "cmd/other/m.go": "package main",
				"internal/exporter/cli/c.go": "package cli", "pkg/ring/testdata/x": "", "scripts/anything/x": "",
			},
			[]string{"cmd/other/m.go:", "internal/utils/x.go:", "pkg/x.go:"},
		},
		{
			"a file of one line too many",
			fileLengths,
			map[string]string{
				"a/long.go": "package a" + strings.Repeat("\n", maxLines+1),
				"a/full.go": "package a" + strings.Repeat("\n", maxLines),
			},
			[]string{"a/long.go: 601 lines"},
		},
		{
			"targets without help",
			makefileHelp,
			map[string]string{
				"Makefile": "A := 1\nB ?= x:y\n.PHONY: a b\na: b ## help\n\tls a:b\nb:\nc d: ##  \ne: V = 1\n",
			},
			[]string{"Makefile: target b ", "Makefile: target c d ", "Makefile: target e "},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			broken, err := newTree(tt.files)
			if err != nil {
				t.Fatal(err)
			}
			got := tt.check(broken)
			if !slices.EqualFunc(got, tt.wants, strings.HasPrefix) {
				t.Errorf("found %q, want lines starting with %q", got, tt.wants)
			}
		})
	}
}

func TestFolderListingLeavesOutWhatGitIgnores(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{
		".git/config", "a/a.go", "a/a.test", "cmd/tool/main.go", "dist/x", "tool",
	} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ignore := []byte("/tool\n/dist/\n*.test\n")
	if err := os.WriteFile(filepath.Join(root, ".gitignore"), ignore, 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := folderPaths(root)
	want := []string{".gitignore", "a/a.go", "cmd/tool/main.go"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("folderPaths() = %q, %v, want %q", got, err, want)
	}
}
