package bench

import (
	"context"
	"encoding/json"
	"net"
	"strconv"
	"testing"
	"time"
)

// irttResult is what we use of the JSON that irtt writes. Its times are from user space. Its RTT is
// (T4 - T1) - (T3 - T2), as ours is over STAMP. Its send delay is T2 - T1 by the wall clocks: a one-way delay.
type irttResult struct {
	RoundTrips []struct {
		Lost  string // "false", or "true" and maybe in which direction
		Delay struct {
			RTT  time.Duration
			Send time.Duration
		}
		Timestamps struct {
			Client struct {
				Send struct{ Monotonic time.Duration }
			}
		}
	} `json:"round_trips"`
}

// irtt measures with irtt: https://github.com/heistp/irtt.
func irtt(b *testing.B, on route) probed {
	b.Helper()
	port := freePort(b)
	address := net.JoinHostPort(on.address, strconv.Itoa(port))
	answering := serve(b, port, on.to.Command(context.Background(), "irtt", "server", "-i", "0", "-b", address))
	defer answering.kill()
	text, _ := printedBy(b, on.from, "irtt", "client", "-Q", "-o", "-",
		"-i", floorInterval.String(), "-d", span.String(), address)
	var result irttResult
	if err := json.Unmarshal(text, &result); err != nil {
		b.Fatalf("output of irtt: %v\n%s", err, text)
	}
	p := probed{sent: len(result.RoundTrips)}
	for _, trip := range result.RoundTrips {
		if trip.Lost != "false" {
			p.lost++
			continue
		}
		p.rtt = append(p.rtt, trip.Delay.RTT)
		p.owd = append(p.owd, trip.Delay.Send)
	}
	// It ends when the span is over, however many probes it sent.
	p.slots = int(*span / floorInterval)
	return p
}
