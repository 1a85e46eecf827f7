package ring

import (
	"runtime"
	"testing"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

func newRing(t testing.TB, capacity int) *SPSC {
	t.Helper()
	r, err := New(capacity)
	if err != nil {
		t.Fatalf("New(%d): %v", capacity, err)
	}
	return r
}

func TestNewRefusesCapacityThatIsNoPowerOfTwo(t *testing.T) {
	for _, capacity := range []int{-8, 0, 3, 1000} {
		if _, err := New(capacity); err == nil {
			t.Errorf("New(%d) = nil error, want one", capacity)
		}
	}
}

func TestFullRingDropsTheNewSampleAndCountsIt(t *testing.T) {
	r := newRing(t, 4)
	for i := range 6 {
		s := measurement.Sample{Seq: uint64(i)}
		if got, want := r.Push(&s), i < 4; got != want {
			t.Errorf("Push %d = %v, want %v", i, got, want)
		}
	}
	if r.Dropped() != 2 || r.Len() != 4 {
		t.Errorf("Dropped, Len = %d, %d, want 2, 4", r.Dropped(), r.Len())
	}
	got := make([]measurement.Sample, 8)
	if n := r.Pop(got); n != 4 || got[0].Seq != 0 || got[3].Seq != 3 {
		t.Errorf("Pop = %d, first %d, last %d, want the four oldest", n, got[0].Seq, got[3].Seq)
	}
}

func TestPushAllIsAllOrNothing(t *testing.T) {
	r := newRing(t, 4)
	numbered := func(i int) measurement.Sample { return measurement.Sample{Seq: uint64(i)} }
	if !r.PushAll(3, numbered) || r.PushAll(2, numbered) {
		t.Fatal("PushAll: want 3 accepted, then 2 refused")
	}
	if r.Len() != 3 || r.Dropped() != 0 {
		t.Errorf("Len, Dropped = %d, %d, want 3, 0", r.Len(), r.Dropped())
	}
}

func TestOrderIsKeptOverManyWraps(t *testing.T) {
	r := newRing(t, 8)
	buf := make([]measurement.Sample, 3)
	next := uint64(0)
	for i := range uint64(1000) {
		s := measurement.Sample{Seq: i}
		if !r.Push(&s) {
			t.Fatalf("Push %d: full", i)
		}
		if i%3 == 2 {
			for _, got := range buf[:r.Pop(buf)] {
				if got.Seq != next {
					t.Fatalf("popped %d, want %d", got.Seq, next)
				}
				next++
			}
		}
	}
}

// A producer that is faster than its consumer loses samples, but those that arrive are whole, in
// order, and together with the dropped ones are all that were pushed.
func TestStressProducerAndConsumerAccountForEverySample(t *testing.T) {
	const total = 300_000
	r := newRing(t, 64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range uint64(total) {
			s := measurement.Sample{Seq: i, Value: int64(i), T1: int64(i), T4: int64(i)}
			r.Push(&s)
			if i%50 == 0 {
				runtime.Gosched()
			}
		}
	}()
	received, last := uint64(0), int64(-1)
	buf := make([]measurement.Sample, 16)
	for finished := false; ; {
		n := r.Pop(buf)
		if n == 0 && finished {
			break
		}
		for _, s := range buf[:n] {
			if int64(s.Seq) <= last || s.Value != int64(s.Seq) || s.T1 != s.Value || s.T4 != s.Value {
				t.Fatalf("torn or reordered sample %+v after %d", s, last)
			}
			last = int64(s.Seq)
			received++
		}
		if n == 0 {
			select {
			case <-done:
				finished = true
			default:
				runtime.Gosched()
			}
		}
	}
	if received+r.Dropped() != total {
		t.Errorf("received %d + dropped %d = %d, want %d", received, r.Dropped(), received+r.Dropped(), total)
	}
}

// As in two processes: each side has a view of its own, over memory that knows nothing of Go.
func TestTwoViewsOfTheSameMemoryAreOneRing(t *testing.T) {
	cursors, samples := new(Cursors), make([]measurement.Sample, 4)
	producer, consumer := view(t, cursors, samples), view(t, cursors, samples)
	buf := make([]measurement.Sample, 3)
	for i := range uint64(20) {
		s := measurement.Sample{Seq: i}
		if !producer.Push(&s) {
			t.Fatalf("Push %d: full", i)
		}
		if n := consumer.Pop(buf); n != 1 || buf[0].Seq != i {
			t.Fatalf("Pop = %d, seq %d, want 1, seq %d", n, buf[0].Seq, i)
		}
	}
	if consumer.Len() != 0 || consumer.Corrupted() != 0 {
		t.Errorf("Len, Corrupted = %d, %d, want 0, 0", consumer.Len(), consumer.Corrupted())
	}
}

func view(t *testing.T, c *Cursors, samples []measurement.Sample) *SPSC {
	t.Helper()
	r, err := In(c, samples)
	if err != nil {
		t.Fatalf("In: %v", err)
	}
	return r
}

func TestNewViewGoesOnWhereTheLastConsumerStopped(t *testing.T) {
	cursors, samples := new(Cursors), make([]measurement.Sample, 4)
	first := view(t, cursors, samples)
	for i := range uint64(3) {
		first.Push(&measurement.Sample{Seq: i})
	}
	first.Pop(make([]measurement.Sample, 1))
	second := view(t, cursors, samples)
	buf := make([]measurement.Sample, 4)
	if n := second.Pop(buf); n != 2 || buf[0].Seq != 1 {
		t.Errorf("Pop = %d, first seq %d, want 2, first seq 1", n, buf[0].Seq)
	}
}

func TestWrongHeadIsCountedAndPassedOver(t *testing.T) {
	for name, wrong := range map[string]func(c *Cursors){
		"ahead by more than the capacity": func(c *Cursors) { c.head.Add(5) },
		"behind the tail":                 func(c *Cursors) { c.head.Store(1) },
		"anywhere":                        func(c *Cursors) { c.head.Store(1 << 63) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRing(t, 4)
			buf := make([]measurement.Sample, 4)
			for range 3 {
				r.Push(&measurement.Sample{})
			}
			r.Pop(buf)
			wrong(r.cursors)
			if n := r.Pop(buf); n != 0 || r.Corrupted() != 1 {
				t.Errorf("Pop = %d, Corrupted = %d, want 0, 1", n, r.Corrupted())
			}
			if !r.Push(&measurement.Sample{Seq: 9}) {
				t.Fatal("Push: full, want room after the wrong head was passed over")
			}
			if n := r.Pop(buf); n != 1 || buf[0].Seq != 9 {
				t.Errorf("Pop = %d, seq %d, want 1, seq 9", n, buf[0].Seq)
			}
		})
	}
}

// A producer that writes over the consumer's cursor spoils its own view, not the consumer's.
func TestTailIsNeverReadBack(t *testing.T) {
	r := newRing(t, 4)
	r.Push(&measurement.Sample{Seq: 1})
	r.cursors.tail.Store(1 << 40)
	buf := make([]measurement.Sample, 4)
	if n := r.Pop(buf); n != 1 || buf[0].Seq != 1 {
		t.Errorf("Pop = %d, seq %d, want 1, seq 1", n, buf[0].Seq)
	}
	if n := r.Pop(buf); n != 0 || r.Corrupted() != 0 {
		t.Errorf("Pop = %d, Corrupted = %d, want 0, 0", n, r.Corrupted())
	}
}

func TestPushWakesASleeperOnce(t *testing.T) {
	r := newRing(t, 8)
	woken := 0
	r.OnSleeper(func() { woken++ })
	push := func() { r.Push(&measurement.Sample{}) }
	push()
	if r.Sleep() {
		t.Fatal("Sleep = true with a sample in the ring")
	}
	push()
	r.Pop(make([]measurement.Sample, 8))
	if woken != 0 {
		t.Errorf("woken %d times while awake, want never", woken)
	}
	if !r.Sleep() {
		t.Fatal("Sleep = false on an empty ring")
	}
	push()
	push()
	if woken != 1 {
		t.Errorf("woken %d times, want once", woken)
	}
	r.Pop(make([]measurement.Sample, 8))
	r.Sleep()
	r.Wake()
	r.PushAll(1, func(int) measurement.Sample { return measurement.Sample{} })
	if woken != 1 {
		t.Errorf("woken %d times after Wake, want no more", woken)
	}
}

// Whatever the timing, a consumer that sleeps on an empty ring is woken for what comes.
func TestNoSampleIsSleptThrough(t *testing.T) {
	const total = 20_000
	r := newRing(t, 16)
	wake := make(chan struct{}, 1)
	r.OnSleeper(func() { wake <- struct{}{} })
	go func() {
		for range total {
			for !r.Push(&measurement.Sample{}) {
				runtime.Gosched()
			}
		}
	}()
	buf := make([]measurement.Sample, 16)
	for received := 0; received < total; {
		if n := r.Pop(buf); n > 0 {
			received += n
			continue
		}
		if r.Sleep() {
			<-wake // hangs, and so fails, if the push was not told
		}
	}
}

func TestPushAndPopDoNotAllocate(t *testing.T) {
	r := newRing(t, 64)
	buf := make([]measurement.Sample, 64)
	s := measurement.Sample{Seq: 1}
	if n := testing.AllocsPerRun(1000, func() { r.Push(&s); r.Pop(buf) }); n != 0 {
		t.Errorf("Push and Pop allocate %v times, want 0", n)
	}
}

func BenchmarkPushPop(b *testing.B) {
	r := newRing(b, 1024)
	buf := make([]measurement.Sample, 64)
	s := measurement.Sample{Seq: 1}
	b.ReportAllocs()
	for b.Loop() {
		r.Push(&s)
		r.Pop(buf)
	}
}

func TestWrittenSamplesAreThereOncePublished(t *testing.T) {
	r := newRing(t, 4)
	woken := 0
	r.OnSleeper(func() { woken++ })
	if !r.Sleep() {
		t.Fatal("Sleep on an empty ring: false")
	}
	for i := range uint64(5) {
		place := r.Place()
		if got, want := place != nil, i < 4; got != want {
			t.Errorf("a place for sample %d in a ring of 4: %v, want %v", i, got, want)
		}
		if place != nil {
			*place = measurement.Sample{Seq: i}
		}
	}
	buf := make([]measurement.Sample, 8)
	if n := r.Pop(buf); n != 0 || woken != 0 {
		t.Errorf("before Publish: %d samples, woken %d times, want none", n, woken)
	}
	r.Publish()
	r.Publish()
	if n := r.Pop(buf); n != 4 || buf[3].Seq != 3 || woken != 1 || r.Dropped() != 1 {
		t.Errorf("%d samples, the last of them %d, woken %d times, dropped %d, want 4, 3, 1, 1", n, buf[3].Seq, woken, r.Dropped())
	}
}
