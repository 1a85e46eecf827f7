//go:build !linux

package loop

// portableLocal: golang.org/x/net tells the local address of packets on most systems, and lets replies
// have it on fewer.
const portableLocal = false

func systemImplementations() []implementation { return nil }
