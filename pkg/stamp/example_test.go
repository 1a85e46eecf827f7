package stamp_test

import (
	"fmt"
	"time"

	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// A session-sender's probe, and what a stateless session-reflector makes of it. In place of clocks and
// sockets there are a time and two buffers.
func Example() {
	var codec stamp.Codec // unauthenticated, no key
	now := time.Date(2026, 11, 22, 18, 3, 0, 0, time.UTC)
	at := func(after time.Duration) stamp.Timestamp {
		return stamp.NTP.Timestamp(now.Add(after).UnixNano(), 0)
	}
	estimate := stamp.NewErrorEstimate(time.Millisecond, stamp.NTP) | stamp.SyncBit

	// Session-sender: prepare once, stamp for each probe.
	probe := codec.AppendSender(nil, 7)
	if err := codec.StampSender(probe, 0, at(0), estimate); err != nil {
		fmt.Println(err)
	}

	// Session-reflector.
	buf := make([]byte, 1500)
	request, err := codec.DecodeSender(probe)
	if err != nil {
		fmt.Println(err)
	}
	built, err := codec.Reflect(buf, &request, &stamp.Reflection{
		Seq: request.Seq, T2: at(10 * time.Millisecond), ErrorEstimate: estimate, TTL: 64,
	})
	if err != nil {
		fmt.Println(err)
	}
	reply := buf[:built.Size]
	if err := codec.StampReflector(reply, at(11*time.Millisecond)); err != nil {
		fmt.Println(err)
	}

	// Session-sender, at T4.
	t4 := now.Add(31 * time.Millisecond).UnixNano()
	p, err := codec.DecodeReflector(reply)
	if err != nil {
		fmt.Println(err)
	}
	unix := func(t stamp.Timestamp, e stamp.ErrorEstimate) int64 {
		nanos, err := e.Format().UnixNanos(t, t4, 0)
		if err != nil {
			fmt.Println(err)
		}
		return nanos
	}
	t1 := unix(p.T1, p.SenderErrorEstimate)
	t2, t3 := unix(p.T2, p.ErrorEstimate), unix(p.T3, p.ErrorEstimate)
	fmt.Println(len(reply), "octets, session", p.SSID, "probe", p.SenderSeq)
	fmt.Println("out", time.Duration(t2-t1), "back", time.Duration(t4-t3))
	fmt.Println("round trip", time.Duration((t4-t1)-(t3-t2)))
	// Output:
	// 44 octets, session 7 probe 0
	// out 10ms back 20ms
	// round trip 30ms
}

// TLVs in authenticated mode: appended once, answered by the reflector, verified before use.
func ExampleCodec_VerifyTLVs() {
	codec, err := stamp.NewCodec(stamp.Authenticated, []byte("a key that both ends know"))
	if err != nil {
		fmt.Println(err)
	}
	estimate := stamp.NewErrorEstimate(time.Millisecond, stamp.NTP)

	probe := codec.AppendSender(nil, 7)
	probe = stamp.AppendClassOfService(probe, 46)
	probe, err = stamp.AppendTLV(probe, 200, []byte("of the future"))
	if err != nil {
		fmt.Println(err)
	}
	probe = stamp.AppendHMAC(probe)
	if err := codec.StampSender(probe, 0, 0, estimate); err != nil {
		fmt.Println(err)
	}

	reply := make([]byte, len(probe))
	request, err := codec.DecodeSender(probe)
	if err != nil {
		fmt.Println(err)
	}
	if _, err := codec.Reflect(reply, &request, &stamp.Reflection{
		ErrorEstimate: estimate, ClassOfService: &stamp.ClassOfService{DSCP2: 10, ECN: 1},
	}); err != nil {
		fmt.Println(err)
	}
	if err := codec.StampReflector(reply, 0); err != nil {
		fmt.Println(err)
	}

	p, err := codec.DecodeReflector(reply)
	if err != nil {
		fmt.Println(err)
	}
	if err := codec.VerifyTLVs(&p); err != nil {
		fmt.Println(err)
	}
	for tlv, err := range stamp.TLVs(p.TLVs) {
		if err != nil || tlv.Flags&stamp.FlagMalformed != 0 {
			break
		}
		if tlv.Flags&stamp.FlagUnrecognized != 0 {
			fmt.Println("type", tlv.Type, "is not understood")
			continue
		}
		if tlv.Type == stamp.TypeClassOfService {
			cos, err := stamp.DecodeClassOfService(tlv.Value)
			fmt.Println("sent with DSCP", cos.DSCP1, "received with", cos.DSCP2, err)
		}
	}
	// Output:
	// sent with DSCP 46 received with 10 <nil>
	// type 200 is not understood
}

// Loss by direction, from the replies of a stateful reflector.
func ExampleNumbers_LossSince() {
	earlier := stamp.Numbers{Sender: 100, Reflector: 90}
	later := stamp.Numbers{Sender: 105, Reflector: 93}
	forward, backward, ok := later.LossSince(earlier)
	fmt.Println(forward, backward, ok)
	// Output: 2 2 true
}
