package match

import "github.com/latency-monitor/latency-monitor/internal/clock"

// What only tables are good for that never remember two probes of a number, as those of STAMP.

// Reset begins anew with seq first, and forgets all probes. It does not allocate.
func (t *Table) Reset(first uint64) {
	clear(t.probes)
	t.oldest, t.next, t.expected, t.waiting = first, first, first, 0
	t.numbering = newNumbering(t.config, uint64(len(t.probes)))
}

// AddUnasked records the probe that Next described as sent without asking for a reply. Nobody waits
// for it: it is never Outstanding, and a reply to it is Unasked. False is as for Add.
func (t *Table) AddUnasked(sent clock.Mono, t1 clock.Wall, epoch uint32) bool {
	if !t.Add(sent, t1, epoch) {
		return false
	}
	t.settle(&t.probes[(t.next-1)&t.mask], unasked)
	return true
}

// Find gives the probe of a number as long as the table remembers it, settled or not.
func (t *Table) Find(number uint64) (Probe, bool) {
	if number >= t.config.Numbers || t.next <= number {
		return Probe{}, false
	}
	p := t.at(t.youngest(number))
	if p == nil {
		return Probe{}, false
	}
	return *p, true
}

// Frontier is the first seq that is not settled; all before are.
func (t *Table) Frontier() uint64 { return t.oldest }
