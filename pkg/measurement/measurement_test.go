package measurement

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"
)

func TestSampleIsOneCacheLineWithoutPointers(t *testing.T) {
	typ := reflect.TypeFor[Sample]()
	if typ.Size() != SampleSize {
		t.Errorf("size of Sample = %d, want %d", typ.Size(), SampleSize)
	}
	for i := range typ.NumField() {
		switch f := typ.Field(i); f.Type.Kind() {
		case reflect.Uint8, reflect.Uint32, reflect.Uint64, reflect.Int64:
		default:
			t.Errorf("field %s is a %v, want a plain integer", f.Name, f.Type.Kind())
		}
	}
}

func TestDelays(t *testing.T) {
	tests := []struct {
		name             string
		t1, t2, t3, t4   int64
		wantOWD, wantRTT int64
	}{
		{"reflector's residence time is taken out", 100, 150, 170, 230, 50, 110},
		{"unknown T3 leaves it in", 100, 150, 0, 230, 50, 130},
		{"a receiver's clock that is behind makes OWD negative, not 0", 100, 40, 60, 230, -60, 110},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := OWD(tt.t1, tt.t2); got != tt.wantOWD {
				t.Errorf("OWD = %d, want %d", got, tt.wantOWD)
			}
			if got := RTT(tt.t1, tt.t2, tt.t3, tt.t4); got != tt.wantRTT {
				t.Errorf("RTT = %d, want %d", got, tt.wantRTT)
			}
		})
	}
}

func TestNamesOfMetricsAndEventsAreComplete(t *testing.T) {
	for m := Metric(1); m < metricEnd; m++ {
		if m.String() == "" || !m.Valid() {
			t.Errorf("metric %d has no name", m)
		}
	}
	for e := Event(1); e < eventEnd; e++ {
		if e.String() == "" {
			t.Errorf("event %d has no name", e)
		}
	}
	if Metric(0).Valid() || metricEnd.Valid() || metricEnd.String() != "invalid" || Event(99).String() != "invalid" {
		t.Error("values out of range must be invalid")
	}
}

func TestIdentitySurvivesTheRingInPieces(t *testing.T) {
	var a NameAssembler
	for n := range 200 {
		identity := bytes.Repeat([]byte{byte(n)}, n)
		pieces := NamePieces(n)
		for i := range pieces {
			s := NamePiece(7, UDP, identity, i)
			got, complete := a.Add(&s)
			if complete != (i == pieces-1) {
				t.Fatalf("length %d piece %d: complete = %v", n, i, complete)
			}
			if complete && !bytes.Equal(got, identity) {
				t.Fatalf("length %d: got %q, want %q", n, got, identity)
			}
		}
	}
}

func TestAssemblerDropsPiecesOutOfOrder(t *testing.T) {
	var a NameAssembler
	identity := bytes.Repeat([]byte("x"), 100)
	for _, i := range []int{1, 0, 2} {
		s := NamePiece(7, UDP, identity, i)
		if _, complete := a.Add(&s); complete {
			t.Fatalf("complete after piece %d", i)
		}
	}
}

func TestAssemblerSurvivesGarbage(t *testing.T) {
	var a NameAssembler
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		s := Sample{Session: SessionID(r.IntN(3)), Kind: KindName, Seq: uint64(r.IntN(200))<<32 | uint64(r.IntN(4)), Value: r.Int64()}
		if r.IntN(10) == 0 {
			s.Seq = r.Uint64()
		}
		if got, complete := a.Add(&s); complete && len(got) > MaxIdentity {
			t.Fatalf("identity of %d octets", len(got))
		}
	}
}

func TestEventRoundTrip(t *testing.T) {
	s := NewEvent(3, 10, EventUnreachable, 111)
	if e, detail := s.Event(); e != EventUnreachable || detail != 111 {
		t.Errorf("Event() = %v, %d, want unreachable, 111", e, detail)
	}
	s.Value = 1000
	if e, _ := s.Event(); e != 0 {
		t.Errorf("Event() of garbage = %v, want 0", e)
	}
}
