// Package bench measures the program as a user runs it, on the machine that it runs on: when probes leave, what is
// published of them, what that costs. Its figures are ratios to something measured in the same run; absolute times
// mean little on a machine that does other work. README.md says how to run it and has what came of it. The whole
// package takes longer than the 10 minutes that `go test` allows by default: `make bench PKG=./bench/...`.
package bench
