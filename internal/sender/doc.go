// Package sender is the session-sender (RFC 8762): it sends probes in their slots over UDP, over
// established TCP connections and as fresh TCP connections, matches the replies, and puts what came of
// each probe on the ring.
//
// A probe's way, in the order of the files: a slot falls due (sender.go), the probe leaves (udp.go,
// tcp.go, connect.go), its reply is matched or its timeout passes (outcome.go), and the sample is
// published (publish.go).
//
// A UDP session speaks text, STAMP, or text until its target says that it knows STAMP (switch.go). The
// probes of each are a flow with a table of its own (flow.go), so that what is under way when a session
// changes over is settled as what it was sent as. STAMP's packets are prepared (stamp_packet.go), leave
// (stamp.go) and are answered (stamp_reply.go); what was lost is split by direction (stamp_loss.go). Its
// probes tell how far our clock may be off (hostclock.go).
//
// Each slot sent ends as one of: answered, lost, abandoned, or asked for no reply (ProbesOneWay), which
// only probes of one-way sessions in STAMP do.
//
// Everything runs on one loop's thread; nothing on a packet's way allocates, locks or logs.
package sender
