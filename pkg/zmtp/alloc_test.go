package zmtp

import (
	"strings"
	"testing"
	"testing/synctest"
)

func TestSendAllocatesOnceForAllSubscribers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		p, err := Serve(l, Options{HWM: 1 << 20, WriteTimeout: 1 << 40})
		if err != nil {
			t.Fatal(err)
		}
		defer closeNow(t, p)
		for range 10 {
			stuck(t, l)
		}
		for _, s := range *p.subscribers.Load() { // queues grow now and then; here they have grown
			s.queue = make([][]byte, 0, 1<<16)
		}
		m := []byte(strings.Repeat("m", sampleSize))
		if n := testing.AllocsPerRun(1000, func() { _ = p.Send(m) }); n != 1 {
			t.Errorf("Send allocates %v times, want once", n)
		}
	})
}

func TestSendAllocatesNothingForNobody(t *testing.T) {
	p := listen(t, Options{})
	subscribed(t, p, "other")
	m := []byte(strings.Repeat("m", sampleSize))
	if n := testing.AllocsPerRun(1000, func() { _ = p.Send(m) }); n != 0 {
		t.Errorf("Send allocates %v times, want 0", n)
	}
}
