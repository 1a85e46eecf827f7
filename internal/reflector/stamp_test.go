package reflector

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

var everybody = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

func TestStampRepliesAreOfTheRequestsSize(t *testing.T) {
	sizes := []struct{ request, reply int }{
		{14, stamp.BaseSize}, {38, stamp.BaseSize}, {41, 41}, {44, 44}, {60, 60}, {112, 112}, {1472, 1472},
	}
	c := testConfig(loopback)
	c.MaxSize, c.Stamp.Allow = 1472, everybody
	for _, formats := range [][2]stamp.Format{{stamp.NTP, stamp.NTP}, {stamp.NTP, stamp.PTP}, {stamp.PTP, stamp.NTP}, {stamp.PTP, stamp.PTP}} {
		theirs, ours := formats[0], formats[1]
		c.Stamp.Format = ours
		eachWith(t, c, func(r *rig) {
			for _, size := range sizes {
				client := r.client()
				for seq := range uint32(2) {
					before := clock.WallNow()
					q := stampProbe{seq: seq, ssid: 77, t1: before, format: theirs, size: size.request}
					p, octets := client.askStamp(q)
					after := clock.WallNow()
					if len(octets) != size.reply {
						r.Errorf("reply of %d octets to %d, want %d", len(octets), size.request, size.reply)
					}
					checkStampReply(r, &p, q, seq)
					read := func(at stamp.Timestamp) clock.Wall {
						nanos, err := p.ErrorEstimate.Format().UnixNanos(at, int64(after), 0)
						if err != nil {
							r.Error(err)
						}
						return clock.Wall(nanos)
					}
					if t2, t3 := read(p.T2), read(p.T3); p.ErrorEstimate.Format() != ours || t2 < before || t3 < t2 || after < t3 {
						r.Errorf("T2 %d, T3 %d, in format %d, want between %d and %d", t2, t3, p.ErrorEstimate.Format(), before, after)
					}
					got := r.metric(measurement.UDPOWD)
					if got.T1 != int64(before) || got.Value != got.T2-got.T1 || got.T2 != int64(read(p.T2)) || got.Received != r.stamp || got.Seq != uint64(seq) {
						r.Errorf("sample %+v, want T1 %d, T2 %d and their difference, of seq %d", got, before, read(p.T2), seq)
					}
				}
			}
			r.counts(selfstats.ProbesReceived, uint64(2*len(sizes)))
			r.counts(selfstats.ProbesMissing, 0)
		})
	}
}

func checkStampReply(t *rig, p *stamp.ReflectorPacket, q stampProbe, seq uint32) {
	t.Helper()
	wantSSID := q.ssid
	if q.size < stamp.BaseSize && q.size > 0 {
		wantSSID = 0
	}
	if p.Seq != seq || p.SenderSeq != q.seq || p.SSID != wantSSID || p.T1 != q.format.Timestamp(int64(q.t1), 0) ||
		p.SenderErrorEstimate != testEstimate(q.format) {
		t.Errorf("reply %+v to %+v, want number %d and the request's fields", p, q, seq)
	}
}

// Byte for byte, RFC 8762 section 4.3.1.
func TestStampReplyOnTheWire(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	f.estimate.value, f.estimate.next = 0x8c3b, clock.Never
	request := stampPacket(t, stampProbe{seq: 0x01020304, ssid: 0xabcd, t1: t2 - 1000, size: 48})
	replies := f.give(packetio.Packet{Data: request, TTL: 61})
	if len(replies) != 1 {
		t.Fatalf("%d replies, want 1", len(replies))
	}
	got, want := replies[0].Data, make([]byte, 48)
	copy(want[4:12], got[4:12]) // T3
	copy(want[12:], []byte{0x8c, 0x3b, 0xab, 0xcd})
	copy(want[16:], []byte{0xed, 0x0f, 0x60, 0x7e})
	copy(want[20:24], got[20:24])
	copy(want[24:38], request[:14])
	want[40] = 61
	if !bytes.Equal(got, want) {
		t.Errorf("reply\n% x, want\n% x", got, want)
	}
	if at, err := stamp.NTP.UnixNanos(stamp.Timestamp(uint64(got[16])<<56|uint64(got[17])<<48|uint64(got[18])<<40|uint64(got[19])<<32|
		uint64(got[20])<<24|uint64(got[21])<<16|uint64(got[22])<<8|uint64(got[23])), int64(t2), 0); err != nil || clock.Wall(at) != t2 {
		t.Errorf("T2 %d, %v, want %d", at, err, t2)
	}
	if r := replies[0]; r.TTL != replyTTL || r.TOS != 0 || r.Local != fakeLocal || r.Notify {
		t.Errorf("reply %+v, want TTL 255 and nothing else", r)
	}
}

func TestStatefulReflectorNumbersItsRepliesAndStatelessCopiesNumbers(t *testing.T) {
	for _, stateless := range []bool{false, true} {
		f := newFakeFlow(t, Stamp{Stateless: stateless})
		for i, seq := range []uint32{7, 8, 20, 19, 21} {
			p, _ := f.giveProbe(stampProbe{seq: seq, t1: t2 + clock.Wall(seq), tlvs: stamp.AppendDirectMeasurement(nil)})
			want, flags := uint32(i), stamp.Flags(0)
			if stateless {
				want, flags = seq, stamp.FlagUnrecognized
			}
			if p.Seq != want {
				t.Errorf("stateless %t: reply to %d has number %d, want %d", stateless, seq, p.Seq, want)
			}
			for tlv := range stamp.TLVs(p.TLVs) {
				d, err := stamp.DecodeDirectMeasurement(tlv.Value)
				if err != nil || tlv.Flags != flags {
					t.Errorf("stateless %t: Direct Measurement with flags %x, %v, want %x", stateless, tlv.Flags, err, flags)
				}
				if !stateless && (d.ReflectorRx != uint32(i+1) || d.ReflectorTx != uint32(i+1)) {
					t.Errorf("counters %+v, want %d received and sent", d, i+1)
				}
			}
		}
	}
}

// T3 is read for a few replies at a time, so that it is not long before they leave.
func TestRepliesLeaveInSmallGroups(t *testing.T) {
	f := newFakeFlow(t, Stamp{Keys: [][]byte{[]byte(testKey)}})
	var probes []packetio.Packet
	for seq := range uint32(sendBatch*2 + 5) {
		probes = append(probes, packetio.Packet{Data: stampPacket(t, stampProbe{seq: seq, key: testKey, t1: t2 + clock.Wall(seq)})})
	}
	before := clock.WallNow()
	replies := f.give(probes...)
	if want := []int{sendBatch, sendBatch, 5}; !slices.Equal(f.conn.batches, want) || len(replies) != len(probes) {
		t.Fatalf("replies sent by %v, want %v", f.conn.batches, want)
	}
	last := stamp.NTP.Timestamp(int64(before), 0)
	for i := range replies {
		p, err := (&stampProbe{key: testKey}).codec(t).DecodeReflector(replies[i].Data)
		if first := i%sendBatch == 0; err != nil || p.T3 < last || first == (p.T3 == last) {
			t.Errorf("reply %d: T3 %d after %d, error %v, want one of its own for each group", i, p.T3, last, err)
		}
		last = p.T3
	}
}

func TestTLVsAreAnswered(t *testing.T) {
	for _, key := range []string{"", testKey} {
		f := newFakeFlow(t, Stamp{Keys: [][]byte{[]byte(testKey)}})
		var last uint32
		for seq := range uint32(3) {
			q := stampProbe{seq: seq, ssid: 3, key: key, t1: t2 + clock.Wall(seq), tlvs: allTLVs(t)}
			p, reply := f.giveProbe(q)
			if err := q.codec(t).VerifyTLVs(&p); err != nil {
				t.Errorf("VerifyTLVs: %v", err)
			}
			if reply.TOS != 46<<2 || !reply.Notify {
				t.Errorf("reply %+v, want DSCP 46 and a notice", reply)
			}
			found := map[stamp.Type][]byte{}
			for tlv, err := range stamp.TLVs(p.TLVs) {
				if err != nil || tlv.Flags != 0 {
					t.Errorf("TLV %d has flags %x, %v", tlv.Type, tlv.Flags, err)
				}
				found[tlv.Type] = tlv.Value
			}
			if got, err := stamp.DecodeLocation(found[stamp.TypeLocation]); err != nil || got.Source != fakeRemote.Addr() ||
				got.Destination != fakeLocal || got.SourcePort != fakeRemote.Port() || got.DestinationPort != 8000 {
				t.Errorf("location %+v, %v", got, err)
			}
			want := stamp.TimestampInformation{SyncIn: f.estimate.sync, MethodIn: stamp.MethodSoftware, SyncOut: f.estimate.sync, MethodOut: stamp.MethodSoftware}
			if got, err := stamp.DecodeTimestampInformation(found[stamp.TypeTimestampInformation]); err != nil || got != want {
				t.Errorf("timestamp information %+v, %v, want %+v", got, err, want)
			}
			if got, err := stamp.DecodeClassOfService(found[stamp.TypeClassOfService]); err != nil ||
				got != (stamp.ClassOfService{DSCP1: 46, DSCP2: 46, ECN: 1}) {
				t.Errorf("class of service %+v, %v, want what the request had", got, err)
			}
			followUp, err := stamp.DecodeFollowUpTelemetry(found[stamp.TypeFollowUpTelemetry])
			wantFollowUp := stamp.FollowUpTelemetry{}
			if seq > 0 {
				wantFollowUp = stamp.FollowUpTelemetry{Seq: last, T3: f.estimate.timestamp(t2 + 500), Method: stamp.MethodSoftware}
			}
			if err != nil || followUp != wantFollowUp {
				t.Errorf("reply %d: follow-up %+v, %v, want %+v", seq, followUp, err, wantFollowUp)
			}
			last = p.Seq
			f.conn.notices = []packetio.Notice{{Transmitted: t2 + 500, ID: reply.ID}}
		}
	}
}

// Sessions that do not ask for it do not cost notices; and one notice is not taken for another's.
func TestFollowUpIsOfTheSessionsOwnReply(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	tlvs := stamp.AppendFollowUpTelemetry(nil)
	_, plain := f.giveProbe(stampProbe{ssid: 1})
	if plain.Notify {
		t.Error("a notice for a session that did not ask")
	}
	_, other := f.giveProbe(stampProbe{ssid: 2, tlvs: tlvs})
	_, own := f.giveProbe(stampProbe{ssid: 3, tlvs: tlvs})
	f.conn.notices = []packetio.Notice{
		{Transmitted: t2 + 1, ID: own.ID}, {Transmitted: t2 + 2, ID: other.ID}, {Transmitted: t2 + 3, ID: 99},
	}
	p, _ := f.giveProbe(stampProbe{seq: 1, ssid: 3, t1: t2 + 1, tlvs: tlvs})
	for tlv := range stamp.TLVs(p.TLVs) {
		if got, err := stamp.DecodeFollowUpTelemetry(tlv.Value); err != nil || got.T3 != f.estimate.timestamp(t2+1) {
			t.Errorf("follow-up %+v, %v, want the time of the session's own reply", got, err)
		}
	}
}

// The memory of a session that ended is another's now.
func TestFollowUpIsNotOfTheSessionBefore(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	tlvs := stamp.AppendFollowUpTelemetry(nil)
	_, reply := f.giveProbe(stampProbe{ssid: 1, tlvs: tlvs})
	f.sessions.visit(func(x *session) { f.end(x) })
	f.giveProbe(stampProbe{ssid: 2, tlvs: tlvs})
	f.conn.notices = []packetio.Notice{{Transmitted: t2 + 1, ID: reply.ID}}
	p, _ := f.giveProbe(stampProbe{ssid: 2, seq: 1, t1: t2 + 1, tlvs: tlvs})
	for tlv := range stamp.TLVs(p.TLVs) {
		if got, err := stamp.DecodeFollowUpTelemetry(tlv.Value); err != nil || got != (stamp.FollowUpTelemetry{}) {
			t.Errorf("follow-up %+v, %v, want none", got, err)
		}
	}
}

// Where the system does not tell TTL and TOS, nothing is said of them.
func TestClassOfServiceIsNotUnderstoodWhereItIsNotKnown(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	replies := f.give(packetio.Packet{Data: stampPacket(t, stampProbe{t1: t2, tlvs: stamp.AppendClassOfService(nil, 46)})})
	if len(replies) != 1 || replies[0].TOS != 0 || stamp.Flags(replies[0].Data[stamp.BaseSize]) != stamp.FlagUnrecognized {
		t.Errorf("replies %+v, want one with U and no DSCP", replies)
	}
}

func TestBadTLVsAreAnsweredWithFlags(t *testing.T) {
	unknown, err := stamp.AppendTLV(nil, 200, []byte("value"))
	if err != nil {
		t.Fatal(err)
	}
	truncated := append(bytes.Clone(unknown), 0x80, byte(stamp.TypeLocation), 0x01, 0x00, 1, 2)
	malformed := append(bytes.Clone(unknown), 0x80, byte(stamp.TypeClassOfService), 0, 3, 1, 2, 3)
	hmac := stamp.AppendHMAC(bytes.Clone(unknown))
	tests := []struct {
		name  string
		tlvs  []byte
		wants []stamp.Flags
		bad   uint64
	}{
		{"unknown", unknown, []stamp.Flags{stamp.FlagUnrecognized}, 0},
		{"truncated", truncated, []stamp.Flags{stamp.FlagUnrecognized, stamp.FlagMalformed}, 1},
		{"malformed", malformed, []stamp.Flags{stamp.FlagUnrecognized, stamp.FlagMalformed}, 1},
		{"an HMAC without a key", hmac, []stamp.Flags{0xa0, 0xa0}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeFlow(t, Stamp{})
			p, _ := f.giveProbe(stampProbe{tlvs: tt.tlvs})
			if len(p.TLVs) != len(tt.tlvs) {
				t.Fatalf("%d octets of TLVs, want %d", len(p.TLVs), len(tt.tlvs))
			}
			rest := p.TLVs
			for i, want := range tt.wants {
				if got := stamp.Flags(rest[0]); got != want {
					t.Errorf("TLV %d has flags %x, want %x", i, got, want)
				}
				rest = rest[min(len(rest), 4+int(rest[3])):]
			}
			f.counts(selfstats.ProbesReflected, 1)
			f.counts(selfstats.ProbesBadTLVs, tt.bad)
		})
	}
}

// What is behind a malformed TLV goes back as it came, whatever its flags seem to say.
func TestWhatIsBehindAMalformedTLVIsNotHeeded(t *testing.T) {
	malformed := []byte{0x80, byte(stamp.TypeSessionIdentity), 0, 0}
	for name, behind := range map[string][]byte{
		"a Class of Service without a value": {0, byte(stamp.TypeClassOfService), 0, 0},
		"a Class of Service":                 {0, byte(stamp.TypeClassOfService), 0, 4, 46 << 2, 0, 0, 0},
		"a Follow-Up Telemetry":              append([]byte{0, byte(stamp.TypeFollowUpTelemetry), 0, 16}, make([]byte, 16)...),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeFlow(t, Stamp{})
			p, reply := f.giveProbe(stampProbe{tlvs: append(bytes.Clone(malformed), behind...)})
			if reply.TOS != 0 || reply.Notify || !bytes.HasSuffix(p.TLVs, behind) {
				t.Errorf("reply %+v, want no mark, no notice and the TLV as it came", reply)
			}
		})
	}
}

func TestWrongHMACTLVIsNotTrusted(t *testing.T) {
	f := newFakeFlow(t, Stamp{Keys: [][]byte{[]byte(testKey)}})
	q := stampProbe{key: testKey, tlvs: append(stamp.AppendReturnPath(nil, stamp.NoReply), identityTLV(t, "forged")...), t1: t2}
	data := stampPacket(t, q)
	data[len(data)-1] ^= 1
	replies := f.give(packetio.Packet{Data: data})
	if len(replies) != 1 || replies[0].Data[stamp.AuthenticatedBaseSize]&byte(stamp.FlagIntegrity) == 0 {
		t.Errorf("replies %+v, want one with I", replies)
	}
	var names measurement.NameAssembler
	for _, s := range f.samples() {
		if text, complete := names.Add(&s); s.Kind == measurement.KindName && complete && string(text) != "192.0.2.1|" {
			t.Errorf("the session is called %q", text)
		}
	}
	f.counts(selfstats.ProbesBadTLVs, 1)
	f.counts(selfstats.ProbesForged, 0)
}

func TestWhatIsNoStampProbeIsDroppedAndCounted(t *testing.T) {
	good := stampPacket(t, stampProbe{seq: 1, t1: t2})
	noMultiplier := bytes.Clone(good)
	noMultiplier[13] = 0
	authentic := stampPacket(t, stampProbe{key: testKey, t1: t2})
	forged := bytes.Clone(authentic)
	forged[95] ^= 1
	wrongKey := stampPacket(t, stampProbe{key: "not one of ours", t1: t2})
	nanoseconds := stampPacket(t, stampProbe{format: stamp.PTP, t1: t2})
	copy(nanoseconds[8:], []byte{0xff, 0xff, 0xff, 0xff})
	keys := [][]byte{[]byte("old key"), []byte(testKey)}
	tests := []struct {
		name string
		with Stamp
		data []byte
		want selfstats.Counter
	}{
		{"13 octets", Stamp{Allow: everybody}, good[:13], selfstats.ProbesMalformed},
		{"multiplier 0", Stamp{}, noMultiplier, selfstats.ProbesBadEstimate},
		{"a second of nanoseconds", Stamp{}, nanoseconds, selfstats.ProbesMalformed},
		{"14 octets, from anywhere", Stamp{}, good[:14], selfstats.ProbesNotAllowed},
		{"40 octets, from anywhere", Stamp{}, good[:40], selfstats.ProbesNotAllowed},
		{"not allowed", Stamp{Allow: []netip.Prefix{netip.MustParsePrefix("192.0.3.0/24")}}, good, selfstats.ProbesNotAllowed},
		{"text that is not allowed", Stamp{Allow: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}}, probe(1).bytes(), selfstats.ProbesNotAllowed},
		{"wrong HMAC", Stamp{Keys: keys}, forged, selfstats.ProbesForged},
		{"wrong key", Stamp{Keys: keys}, wrongKey, selfstats.ProbesForged},
		{"cut authenticated packet", Stamp{Keys: keys}, authentic[:111], selfstats.ProbesBadEstimate},
		{"authenticated, without a key here", Stamp{}, authentic, selfstats.ProbesBadEstimate},
		{"unauthenticated where that is required", Stamp{Keys: keys, RequireAuth: true}, good, selfstats.ProbesUnauthenticated},
		{"the same, longer", Stamp{Keys: keys, RequireAuth: true}, append(bytes.Clone(good), make([]byte, 100)...), selfstats.ProbesUnauthenticated},
		{"text where that is required", Stamp{Keys: keys, RequireAuth: true}, probe(1).bytes(), selfstats.ProbesUnauthenticated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeFlow(t, tt.with)
			for range 3 {
				if replies := f.give(packetio.Packet{Data: tt.data}); len(replies) > 0 {
					t.Errorf("reply % x", replies[0].Data)
				}
			}
			f.counts(tt.want, 3)
			f.counts(selfstats.ProbesReceived, 0)
			f.counts(selfstats.SessionsOpened, 0)
		})
	}
}

func TestKeysAreChangedWithoutAGap(t *testing.T) {
	f := newFakeFlow(t, Stamp{Keys: [][]byte{[]byte("old key"), []byte("new key")}, RequireAuth: true})
	for seq := range uint32(100) {
		key := "old key"
		if seq >= 50 {
			key = "new key"
		}
		p, _ := f.giveProbe(stampProbe{seq: seq, ssid: 5, key: key, t1: t2 + clock.Wall(seq), tlvs: stamp.AppendDirectMeasurement(nil)})
		if p.Seq != seq {
			t.Fatalf("reply %d has number %d", seq, p.Seq)
		}
	}
	f.counts(selfstats.SessionsOpened, 1)
	f.counts(selfstats.ProbesForged, 0)
}

// A packet that anybody can make does not touch an authenticated session of the same addresses and SSID.
func TestModesAreKeptApart(t *testing.T) {
	f := newFakeFlow(t, Stamp{Keys: [][]byte{[]byte(testKey)}})
	for seq := range uint32(10) {
		if p, _ := f.giveProbe(stampProbe{seq: seq, ssid: 5, key: testKey, t1: t2 + clock.Wall(seq)}); p.Seq != seq {
			t.Errorf("reply %d has number %d", seq, p.Seq)
		}
		f.giveProbe(stampProbe{seq: 1000 * seq, ssid: 5, t1: t2 + clock.Wall(seq), size: 112 + int(seq)})
	}
	f.counts(selfstats.SessionsOpened, 2)
}

func TestNoReplyIsSentWhenNoneIsWanted(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	silent := append(stamp.AppendReturnPath(nil, stamp.NoReply), stamp.AppendDirectMeasurement(nil)...)
	for seq := range uint32(10) {
		if replies := f.give(packetio.Packet{Data: stampPacket(t, stampProbe{seq: seq, t1: t2 + clock.Wall(seq), tlvs: silent})}); len(replies) > 0 {
			t.Errorf("reply % x", replies[0].Data)
		}
	}
	p, _ := f.giveProbe(stampProbe{seq: 10, t1: t2 + 10, tlvs: stamp.AppendDirectMeasurement(nil)})
	for tlv := range stamp.TLVs(p.TLVs) {
		if got, _ := stamp.DecodeDirectMeasurement(tlv.Value); p.Seq != 0 || got.ReflectorRx != 11 || got.ReflectorTx != 1 {
			t.Errorf("reply %d, counters %+v, want the first of 11 received", p.Seq, got)
		}
	}
	delays := 0
	for _, s := range f.samples() {
		if s.Kind == measurement.KindMetric && s.Metric == measurement.UDPOWD {
			delays++
		}
	}
	if delays != 11 {
		t.Errorf("%d delays published, want 11", delays)
	}
	f.counts(selfstats.ProbesReceived, 11)
	f.counts(selfstats.ProbesReflected, 1)
}

func TestLossesArePublishedInTheSecondOfSending(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	const start = t2 - t2%clock.Wall(time.Second) // and the fake clock stands still
	want := map[int64]int64{}
	for seq := range uint32(4000) {
		sent := start + clock.Wall(seq)*clock.Wall(time.Millisecond)
		if seq > 0 && seq < 3700 && (seq%10 == 3 || seq > 1500 && seq < 1800) {
			want[int64(sent)/1e9]++
			continue
		}
		f.give(packetio.Packet{Data: stampPacket(t, stampProbe{seq: seq, t1: sent}), At: sent + 1000})
	}
	f.clean(clock.MonoNow().Add(time.Minute))
	got, total := map[int64]int64{}, int64(0)
	for _, s := range f.samples() {
		if s.Kind == measurement.KindMetric && s.Metric == measurement.UDPLoss {
			got[s.Time/1e9] += s.Value
			total += s.Value
		}
	}
	for second, n := range want {
		if got[second] != n {
			t.Errorf("second %d: %d lost, want %d", second, got[second], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("losses in %d seconds, want %d", len(got), len(want))
	}
	f.counts(selfstats.ProbesMissing, uint64(total))
}

func TestRepliesAreNotAnswered(t *testing.T) {
	for _, key := range []string{"", testKey} {
		for _, format := range []stamp.Format{stamp.NTP, stamp.PTP} {
			options := Stamp{Keys: [][]byte{[]byte(testKey)}, Format: format}
			a, b := newFakeFlow(t, options), newFakeFlow(t, options)
			now := clock.WallNow()
			forged := packetio.Packet{Data: stampPacket(t, stampProbe{key: key, t1: now}), At: now, Remote: netip.AddrPortFrom(fakeRemote.Addr(), stamp.Port)}
			replies := a.give(forged)
			if len(replies) != 1 {
				t.Fatalf("%d replies, want 1", len(replies))
			}
			back := replies[0]
			back.At = clock.WallNow()
			if again := b.give(back); len(again) > 0 {
				t.Errorf("a reply is answered by % x", again[0].Data)
			}
			b.counts(selfstats.ProbesLooped, 1)
		}
	}
}
