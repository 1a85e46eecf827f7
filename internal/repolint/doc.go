// Package repolint holds the rules of this repository as tests: which package may import which,
// where unsafe code and raw system calls live, what has a comment, what lies where.
//
// Rules look at the source text of all files, whatever platform they are for. Each rule is also run
// on small sources that break it, in rules_test.go, so that no rule can pass by seeing nothing.
package repolint
