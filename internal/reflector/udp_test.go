package reflector

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

func TestReplyIsTheRequestWithOurNameAndT2(t *testing.T) {
	zeros := strings.Repeat("0", 200)
	requests := map[string]request{
		"without padding":              {name: "prober", tags: "[]"},
		"with padding":                 {seq: 100, name: "prober", tags: "['a:b', 'c']", padding: zeros},
		"our name is shorter":          {seq: 7, name: strings.Repeat("long", 16), tags: "[]", padding: zeros},
		"our name is longer":           {seq: 7, name: "x", tags: "[]", padding: zeros},
		"padding too short to be cut":  {seq: 7, name: "x", tags: "[]", padding: "000"},
		"padding just long enough":     {seq: 7, name: "x", tags: "[]", padding: "00000000"},
		"no tags":                      {seq: 1, name: "prober", padding: "0"},
		"padding that is not zeros":    {seq: 1, name: "prober", tags: "[]", padding: "<stamp?>0123456789"},
		"longest message":              {seq: 99, name: "prober", tags: "[]", padding: strings.Repeat("0", 1470-33)},
		"tags with quotes and escapes": {seq: 2, name: "prober", tags: `["it's", 'a\\b\n\x00']`, padding: zeros},
		"name that is not ASCII":       {seq: 2, name: "prüfer-中", tags: "['größe:1']", padding: zeros},
	}
	eachFamily(t, func(r *rig) {
		c := r.client()
		for name, q := range requests {
			before := time.Now().UnixNano()
			q.t1 = before
			sent := q.bytes()
			c.send(sent)
			got := c.receive()
			after := time.Now().UnixNano()
			request, err := textproto.Decode(sent)
			if err != nil {
				r.Fatalf("%s: the test's own request %q: %v", name, sent, err)
			}
			reply, err := textproto.Decode(got)
			if err != nil {
				r.Errorf("%s: Decode(%q): %v", name, got, err)
				continue
			}
			if want := textproto.AppendStampReply(nil, request, ourName, reply.Timestamp); !bytes.Equal(got, want) {
				r.Errorf("%s: reply to %q = %q, want %q", name, sent, got, want)
			}
			if reply.Timestamp < before || reply.Timestamp > after {
				r.Errorf("%s: T2 %d, want between %d and %d", name, reply.Timestamp, before, after)
			}
			longer := len(ourName) - len(q.name)
			if len(got) > len(sent) && (len(reply.Padding) > 0 || len(got) > len(sent)+longer) {
				r.Errorf("%s: %d octets in reply to %d", name, len(got), len(sent))
			}
		}
		r.counted(selfstats.ProbesReflected, uint64(len(requests)))
		r.counts(selfstats.ProbesMalformed, 0)
	})
}

func TestOWDIsPublishedAsItIs(t *testing.T) {
	offsets := map[string]time.Duration{
		"sent 5 ms ago":         -5 * time.Millisecond,
		"sent an hour from now": time.Hour,
		"sent 20 years ago":     -20 * 365 * 24 * time.Hour,
	}
	for name, offset := range offsets {
		t.Run(name, func(t *testing.T) {
			each(t, func(r *rig) {
				before := clock.WallNow()
				q := probe(42)
				q.t1 = int64(before) + int64(offset)
				t2 := r.client().ask(q).Timestamp
				after := clock.WallNow()
				got := r.metric(measurement.UDPOWD)
				if got.Value != t2-q.t1 || got.T1 != q.t1 || got.T2 != t2 || got.Time != t2 {
					r.Errorf("sample %+v, want T1 %d, time and T2 %d, and their difference", got, q.t1, t2)
				}
				if low, high := -int64(offset), -int64(offset)+int64(after.Sub(before)); got.Value < low || got.Value > high {
					r.Errorf("delay %d, want from %d to %d", got.Value, low, high)
				}
				if got.Sent != measurement.SourceUser || got.Received != r.stamp {
					r.Errorf("sources %v and %v, want user and %v", got.Sent, got.Received, r.stamp)
				}
			})
		})
	}
}

func TestWhatIsNoProbeIsDroppedAndCounted(t *testing.T) {
	now := probe(1).t1
	old := probe(1)
	old.t1 = oldest - 1
	malformed := map[string][]byte{
		"nothing":                    {},
		"text":                       []byte("hello"),
		"three bars":                 []byte("1|prober|1768219134587069267|[]"),
		"five bars":                  []byte("1|prober|1768219134587069267|[]|0|0"),
		"number out of range":        request{seq: 101, name: "prober", t1: now, tags: "[]"}.bytes(),
		"no number":                  []byte("|prober|1768219134587069267|[]|"),
		"no name":                    request{name: "", t1: now, tags: "[]"}.bytes(),
		"name too long":              request{name: strings.Repeat("x", textproto.MaxName+1), t1: now, tags: "[]"}.bytes(),
		"name with control":          request{name: "a\nb", t1: now, tags: "[]"}.bytes(),
		"timestamp is no number":     []byte("1|prober|now|[]|"),
		"timestamp before 2001":      old.bytes(),
		"timestamp of seconds":       []byte("1|prober|1768219134|[]|"),
		"tags are no list":           request{name: "prober", t1: now, tags: "isp:local"}.bytes(),
		"tags are not closed":        request{name: "prober", t1: now, tags: "['isp:local'"}.bytes(),
		"tags of something else":     request{name: "prober", t1: now, tags: "[__import__('os')]"}.bytes(),
		"a STAMP packet":             append([]byte{13: 1}, make([]byte, 30)...),
		"a datagram full of zeros":   bytes.Repeat([]byte{'0'}, 1470),
		"a datagram full of bars":    bytes.Repeat([]byte{'|'}, 1470),
		"a reply's reply, cut short": []byte("1|pro"),
	}
	each(t, func(r *rig) {
		c := r.client()
		c.answered() // so it is text that is sent from here
		for _, data := range malformed {
			c.send(data)
		}
		r.counted(selfstats.ProbesMalformed, uint64(len(malformed)))
		c.answered() // and this is the next reply
		r.counted(selfstats.ProbesReflected, 2)
		r.counts(selfstats.ProbesReflected, 2)
		r.counts(selfstats.ProbesMalformed, uint64(len(malformed)))
		r.counts(selfstats.SessionsOpened, 1)
	})
}

func TestProbeLongerThanMaxSizeIsNotAnswered(t *testing.T) {
	each(t, func(r *rig) {
		c := r.client()
		q := probe(1)
		q.padding = strings.Repeat("0", 1471-len(q.bytes()))
		c.send(q.bytes())
		r.counted(selfstats.ProbesOversized, 1)
		q.padding = q.padding[1:]
		if n := len(q.bytes()); n != 1470 {
			r.Fatalf("request of %d octets, want 1470", n)
		}
		c.ask(q)
		r.counts(selfstats.ProbesOversized, 1)
		r.counts(selfstats.ProbesReceived, 1)
	})
}

func TestGapIsALossAfterTheTimeout(t *testing.T) {
	c := testConfig(loopback)
	c.Timeout = 50 * time.Millisecond
	eachWith(t, c, func(r *rig) {
		client := r.client()
		before := int64(clock.WallNow())
		for _, seq := range []int{10, 11, 14} {
			client.ask(probe(seq))
		}
		got := r.metric(measurement.UDPLoss)
		if got.Value != 2 || got.Time < before+int64(c.Timeout) || got.Session < measurement.ReflectedIDs {
			r.Errorf("loss %+v, want 2 at %d or later", got, before+int64(c.Timeout))
		}
		r.counts(selfstats.ProbesMissing, 2)
		client.ask(probe(12))
		r.counted(selfstats.ProbesLate, 1)
		for i, want := range []uint64{10, 11, 14} {
			if got := r.metric(measurement.UDPOWD); got.Seq != want {
				r.Errorf("sample %d is of seq %d, want %d", i, got.Seq, want)
			}
		}
		client.ask(probe(15))
		if got := r.metric(measurement.UDPOWD); got.Seq != 15 { // that of the late one was not published
			r.Errorf("sample of seq %d, want 15", got.Seq)
		}
	})
}

// More missing than there are places to wait for them are lost at once.
func TestLongGapIsALossAtOnce(t *testing.T) {
	each(t, func(r *rig) {
		client := r.client()
		client.ask(probe(0))
		client.ask(probe(50)) // 1 to 49 are waited for
		client.ask(probe(90)) // 1 to 26 are too long ago
		if got := r.metric(measurement.UDPLoss); got.Value != 26 {
			r.Errorf("loss of %d, want 26", got.Value)
		}
	})
}

func TestReorderedAndDuplicateProbesAreAnsweredAndCounted(t *testing.T) {
	each(t, func(r *rig) {
		client := r.client()
		for _, seq := range []int{0, 2, 1, 1, 3} {
			client.ask(probe(seq))
		}
		for _, want := range []uint64{0, 2, 1, 3} {
			if got := r.metric(measurement.UDPOWD); got.Seq != want {
				r.Errorf("sample of seq %d, want %d", got.Seq, want)
			}
		}
		r.counts(selfstats.ProbesReordered, 1)
		r.counts(selfstats.ProbesDuplicate, 1)
		r.counts(selfstats.ProbesReceived, 5)
		r.counts(selfstats.ProbesReflected, 5)
		r.counts(selfstats.ProbesMissing, 0)
		r.noMore(measurement.KindMetric)
	})
}

func TestNumbersAreCountedOnAfterTheyWrap(t *testing.T) {
	each(t, func(r *rig) {
		client := r.client()
		for i := range 3 * textproto.Numbers {
			client.ask(probe(i % textproto.Numbers))
			if got := r.metric(measurement.UDPOWD); got.Seq != uint64(i) {
				r.Fatalf("sample of seq %d, want %d", got.Seq, i)
			}
		}
		r.counts(selfstats.ProbesMissing, 0)
	})
}
