//go:build !linux

package loop

import "runtime"

// portableLocal: golang.org/x/net tells the local address of packets on most systems, and lets replies
// have it on fewer.
const portableLocal = false

// portableMarks: golang.org/x/net tells TTL and IPv6 Traffic Class on most systems; a few need help for
// the IPv4 TOS.
const portableMarks = runtime.GOOS == "darwin" || runtime.GOOS == "freebsd"

func systemImplementations() []implementation { return nil }
