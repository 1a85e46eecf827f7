package bench

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// fpingElapsed is how long it took, in its summary.
var fpingElapsed = regexp.MustCompile(`([0-9]+\.[0-9]+) sec \(elapsed real time\)`)

// fpingMissing: from other users it takes no such intervals.
func fpingMissing() string {
	if os.Geteuid() != 0 {
		return "root, for an interval of 1 ms"
	}
	return programMissing("fping")()
}

// fping measures with fping (https://fping.org). Its probes are ICMP echo requests, so no process answers them but
// the kernel, in loopback within the send call. When they left it reads in user space, when the answer came is the
// kernel's time. So its RTT is the least there is; what it lacks is one wake-up of a reflector. It prints 3 digits.
func fping(b *testing.B, on route) probed {
	b.Helper()
	count := int(*span / floorInterval)
	period := fmt.Sprint(floorInterval.Milliseconds())
	_, text := printedBy(b, on.from, "fping", "-q", "-s", "-p", period, "-i", period, "-C", fmt.Sprint(count), on.address)
	p := probed{sent: count}
	_, after, _ := strings.Cut(string(text), " : ")
	delays, summary, _ := strings.Cut(after, "\n")
	for _, delay := range strings.Fields(delays) {
		ms, err := time.ParseDuration(delay + "ms")
		if err != nil { // "-"
			p.lost++
			continue
		}
		p.rtt = append(p.rtt, ms)
	}
	elapsed := fpingElapsed.FindStringSubmatch(summary)
	if elapsed == nil || len(p.rtt) == 0 {
		b.Fatalf("no delays in the output of fping:\n%s", text)
	}
	p.slots = max(count, slotsWithin(decimalSeconds([]byte(elapsed[1]))))
	return p
}
