// Package bench measures the whole path, from the slot to the ring, on the machine that it runs on.
// Its figures are ratios to something measured in the same run; absolute times mean little on a
// machine that does other work. Run it with `make bench PKG=./bench/...`.
package bench
