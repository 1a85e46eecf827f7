package bench

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// What sockperf writes: how many messages it sent in the time that counts, and when the answered ones left and
// their answers came, in seconds.
var (
	sockperfSent    = regexp.MustCompile(`(?m)^sockperf: \[Valid Duration\].* SentMessages=([0-9]+);`)
	sockperfMessage = regexp.MustCompile(`(?m)^[0-9]+, ([0-9]+\.[0-9]+), ([0-9]+\.[0-9]+), `)
)

// sockperfUncounted is how much longer it must run: it leaves out the first 0.4 s and the last 0.05 s.
const sockperfUncounted = 450 * time.Millisecond

// sockperf measures with sockperf (https://github.com/Mellanox/sockperf) in the mode that sends at a rate,
// whether answers come or not, and by default asks for one answer in 100. Its client looks at the clock all the
// time between two messages, so it keeps a CPU busy. What it calls latency is half a round trip; --full-rtt makes
// it a whole one. We take the times of its log, which are the same in any case, and are from user space: T4 - T1.
func sockperf(b *testing.B, on route) probed {
	b.Helper()
	port := freePort(b)
	to := []string{"-i", on.address, "-p", strconv.Itoa(port)}
	answering := serve(b, port, on.to.Command(context.Background(), "sockperf", append([]string{"server"}, to...)...))
	defer answering.kill()
	log := filepath.Join(b.TempDir(), "sockperf.csv")
	printedBy(b, on.from, "sockperf", append([]string{
		"under-load", "--full-rtt", "--full-log", log, "--reply-every", "1",
		"--mps", fmt.Sprint(int(time.Second / floorInterval)),
		"--time", fmt.Sprint(math.Ceil((*span + sockperfUncounted).Seconds())),
	}, to...)...)
	text, err := os.ReadFile(log)
	if err != nil {
		b.Fatal(err)
	}
	return readSockperf(b, text)
}

func readSockperf(b testing.TB, log []byte) probed {
	b.Helper()
	total := sockperfSent.FindSubmatch(log)
	messages := sockperfMessage.FindAllSubmatch(log, -1)
	if total == nil || messages == nil {
		b.Fatalf("no messages in the log of sockperf:\n%s", log)
	}
	sent, _ := strconv.Atoi(string(total[1]))
	p := probed{sent: sent, lost: sent - len(messages)}
	var left []time.Duration
	for _, m := range messages {
		t1, t4 := decimalSeconds(m[1]), decimalSeconds(m[2])
		left = append(left, t1)
		p.rtt = append(p.rtt, t4-t1)
	}
	p.slots = slotsWithin(left[len(left)-1] - left[0])
	return p
}

// decimalSeconds is a decimal number of seconds, to the nanosecond. It is digits and a point only.
func decimalSeconds(decimal []byte) time.Duration {
	s, _ := strconv.ParseFloat(string(decimal), 64)
	return time.Duration(math.Round(s * float64(time.Second)))
}
