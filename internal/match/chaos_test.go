package match

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// chaos is a path on which everything happens: its round-trip time jumps, it goes down, it stalls and
// delivers all at once or drops the tail of that, it loses, doubles and reorders.
type chaos struct {
	random     *rand.Rand
	span       time.Duration // of round-trip times
	rtt        time.Duration
	split      func(time.Duration) trip
	jitter     time.Duration
	loss, copy float64
	downUntil  int
	stallUntil int
	keep       int // of what comes in the stall
	next       int // slot of the next event
	until      int
	slotTime   time.Duration
}

func (c *chaos) event(slot int) {
	c.next = slot + 100 + c.random.IntN(1500)
	length := 1 + c.random.IntN(700)
	switch c.random.IntN(6) {
	case 0, 1:
		c.rtt = time.Duration(c.random.Int64N(int64(c.span)))
		c.split = ways[c.random.IntN(len(ways))].split
	case 2:
		c.downUntil = slot + length
		if c.random.IntN(3) == 0 {
			c.rtt = time.Duration(c.random.Int64N(int64(c.span)))
		}
	case 3:
		c.stallUntil, c.keep = slot+length, length
	case 4:
		c.stallUntil, c.keep = slot+length, c.random.IntN(length)
	case 5:
		c.jitter = []time.Duration{0, c.slotTime / 2, 5 * c.slotTime}[c.random.IntN(3)]
		c.loss = []float64{0, 0.01, 0.1}[c.random.IntN(3)]
		c.copy = []float64{0, 0, 0.01}[c.random.IntN(3)]
	}
}

func (c *chaos) path(random *rand.Rand, slot int) []trip {
	if slot >= c.next && slot < c.until {
		c.event(slot)
	}
	rtt := c.rtt + time.Duration(random.Int64N(500))
	if c.jitter > 0 {
		rtt += time.Duration(random.Int64N(int64(c.jitter)))
	}
	switch {
	case slot < c.downUntil, random.Float64() < c.loss:
		return nil
	case slot < c.stallUntil:
		if c.keep--; c.keep < 0 {
			return nil
		}
		rest := time.Duration(c.stallUntil-slot) * c.slotTime
		return []trip{c.split(c.rtt + rest - rest/1000)}
	case random.Float64() < c.copy:
		return []trip{c.split(rtt), c.split(rtt + time.Duration(random.Int64N(int64(c.slotTime))))}
	}
	return []trip{c.split(rtt)}
}

// Whatever happened, soon after it is over every reply is given to its probe.
func TestTableFindsBackFromChaos(t *testing.T) {
	const chaotic = 20_000
	fresh, wrong, ambiguous, held, undone, lost := 0, 0, 0, 0, 0, 0
	for seed := range uint64(24) {
		config := textConfig()
		if seed%8 == 0 {
			config.Interval, config.Timeout = 100*time.Microsecond, 300*time.Millisecond
		}
		calm := int((checkEvery + 5*time.Second) / config.Interval)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			c := &chaos{random: random, span: 300 * config.Interval, rtt: 10 * config.Interval, split: halfway, until: chaotic, slotTime: config.Interval}
			s := tableSimulation{config: config, slots: chaotic + calm, path: c.path, mayErr: true}
			s.run(t)
			if begin := s.sent - int(4*time.Second/config.Interval); s.lastWrong >= begin {
				t.Errorf("probe %d gets another's reply, and nothing happened since %d", s.lastWrong, s.sent-calm)
			}
			fresh, wrong, ambiguous, held = fresh+s.fresh, wrong+s.wrong, ambiguous+s.ambiguous, held+s.held
			undone, lost = undone+s.undone, lost+s.lost
		})
	}
	t.Logf("%d fresh, %d wrong, %d ambiguous, %d lost (%d answered), %d held", fresh, wrong, ambiguous, lost, undone, held)
}
