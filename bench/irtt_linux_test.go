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

// irtt measures with irtt: https://github.com/heistp/irtt. It has the same time to warm up as we have.
func irtt(b *testing.B, on route) probed {
	b.Helper()
	port := freePort(b)
	address := net.JoinHostPort(on.address, strconv.Itoa(port))
	answering := serve(b, port, on.to.Command(context.Background(), "irtt", "server", "-i", "0", "-b", address))
	defer answering.kill()
	text, _ := printedBy(b, on.from, "irtt", "client", "-Q", "-o", "-",
		"-i", floorInterval.String(), "-d", (warmUp + *span).String(), address)
	var result irttResult
	if err := json.Unmarshal(text, &result); err != nil {
		b.Fatalf("output of irtt: %v\n%s", err, text)
	}
	return result.probed()
}

// probed leaves out the warm-up. It ends when its time is over, however many probes it sent.
func (r irttResult) probed() probed {
	p := probed{slots: int(*span / floorInterval)}
	for _, trip := range r.RoundTrips {
		if trip.Timestamps.Client.Send.Monotonic-r.RoundTrips[0].Timestamps.Client.Send.Monotonic < warmUp {
			continue
		}
		p.sent++
		if trip.Lost != "false" {
			p.lost++
			continue
		}
		p.rtt = append(p.rtt, trip.Delay.RTT)
		p.owd = append(p.owd, trip.Delay.Send)
	}
	return p
}
