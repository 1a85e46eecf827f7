// Package selfstats holds the daemon's own counters: what it sent, skipped, received and dropped.
// Every place where a slot, a packet or a sample can be dropped counts here.
//
// A Block belongs to one loop, which alone writes it; anybody may read it at any time. It is a fixed
// block of words without pointers, so that it can lie in memory shared by two processes.
package selfstats

import (
	"sync/atomic"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// Counter is one counter of a Block.
type Counter uint8

// The counters. String gives the name under which each is logged.
const (
	SlotsSent             Counter = iota // slots in which a probe was handed to the kernel
	SkippedLate                          // slots missed by more than half an interval
	SkippedUnanswered                    // slots without a free sequence number: the target never answered, or unclearly
	SkippedDisconnected                  // slots of an established session that has no connection
	SkippedBacklog                       // slots in which the previous probe was still on its way out
	SkippedSendError                     // slots in which the system refused the probe
	ProbesAnswered                       // probes with a reply in time
	ProbesLost                           // probes without a reply in time
	ProbesAbandoned                      // probes without a reply yet when their session was removed
	ProbesOneWay                         // STAMP probes that asked for no reply
	RepliesLate                          // replies after the timeout
	RepliesDuplicate                     // second replies
	RepliesReordered                     // replies overtaken by a later probe's
	RepliesUnmatched                     // replies from an address or with a number that we did not probe, or unasked
	RepliesAmbiguous                     // replies that may answer several probes: one is settled, not measured
	RepliesMalformed                     // datagrams or streams at the sender that are no reply
	ProbesReceived                       // well-formed probes that reached our reflector
	ProbesReflected                      // replies handed to the kernel
	ReflectFailed                        // replies that the system refused, or that a connection ended with
	ProbesMissing                        // gaps in the numbers of a reflected session: lost on the way to us
	ProbesDuplicate                      // probes that arrived twice
	ProbesLate                           // probes that arrived after they were declared lost
	ProbesReordered                      // probes overtaken by a later one
	ProbesMalformed                      // datagrams or streams at the reflector that are no probe
	ProbesOversized                      // datagrams longer than max_size
	ProbesLooped                         // datagrams that seem to be another reflector's replies, not answered
	ProbesRenamed                        // probes not measured because their address changes its name too often
	SessionsOpened                       // sessions that the reflector accepted
	SessionsExpired                      // sessions that it forgot for being idle or closed
	SessionsRefused                      // probes of sessions beyond max_sessions
	ConnectionsAccepted                  // TCP connections that reached the reflector
	ConnectionsRefused                   // of these, closed because there are too many
	ConnectionsFailed                    // TCP connections that ended by an error
	ConnectionsStalled                   // TCP connections closed because the peer does not read its replies
	Reconnects                           // times that an established session connected again
	SynRetransmits                       // handshakes in which a SYN was sent again
	Unreachable                          // ICMP errors and refused connections
	RxTimestampsMissing                  // packets that the kernel gave no receive timestamp
	TxTimestampsMissing                  // probes that the kernel gave no transmit timestamp in time
	QueueOverflow                        // packets that the kernel dropped for a full receive queue
	ClockSteps                           // times that the wall clock was set
	SamplesAcrossStep                    // one-way delays not published because the clock stepped meanwhile
	ReceiveFailed                        // receive calls that failed
	RepliesImplausible                   // STAMP replies whose T2 and T3 can't be: measured without them
	RepliesForged                        // STAMP replies whose HMAC is wrong
	RepliesBadTLVs                       // STAMP replies that count, with a malformed TLV or a wrong HMAC TLV
	LostForward                          // STAMP probes lost on their way to the reflector
	LostBackward                         // STAMP probes whose reply was lost
	Remarked                             // STAMP probes that reached the far end with another DSCP or ECN
	StampUpgrades                        // times that an auto session went over to STAMP
	StampFallbacks                       // times that one went back to text
	ProbesForged                         // STAMP probes whose HMAC is wrong
	ProbesUnauthenticated                // STAMP and text probes refused because authentication is required
	ProbesNotAllowed                     // probes from addresses that are not allowed
	ProbesRateLimited                    // probes beyond their source's rate limit
	ProbesBadEstimate                    // STAMP probes whose error estimate has multiplier 0
	ProbesBadTLVs                        // STAMP probes that count, with a malformed TLV or a wrong HMAC TLV
	EngineRestarts                       // times that an engine process died and another one was started
	EngineAllocated                      // octets that engine processes have allocated since they began to measure
	EngineCollections                    // times that the garbage collector ran in an engine process all the same
	NumCounters
)

var counterNames = [NumCounters]string{
	SlotsSent:             "slots_sent",
	SkippedLate:           "skipped_late",
	SkippedUnanswered:     "skipped_unanswered",
	SkippedDisconnected:   "skipped_disconnected",
	SkippedBacklog:        "skipped_backlog",
	SkippedSendError:      "skipped_send_error",
	ProbesAnswered:        "answered",
	ProbesLost:            "lost",
	ProbesAbandoned:       "abandoned",
	ProbesOneWay:          "one_way",
	RepliesLate:           "late",
	RepliesDuplicate:      "duplicate",
	RepliesReordered:      "reordered",
	RepliesUnmatched:      "unmatched",
	RepliesAmbiguous:      "ambiguous",
	RepliesMalformed:      "malformed",
	ProbesReceived:        "probes_received",
	ProbesReflected:       "probes_reflected",
	ReflectFailed:         "reflect_failed",
	ProbesMissing:         "probes_missing",
	ProbesDuplicate:       "probes_duplicate",
	ProbesLate:            "probes_late",
	ProbesReordered:       "probes_reordered",
	ProbesMalformed:       "probes_malformed",
	ProbesOversized:       "probes_oversized",
	ProbesLooped:          "probes_looped",
	ProbesRenamed:         "probes_renamed",
	SessionsOpened:        "sessions_opened",
	SessionsExpired:       "sessions_expired",
	SessionsRefused:       "sessions_refused",
	ConnectionsAccepted:   "connections_accepted",
	ConnectionsRefused:    "connections_refused",
	ConnectionsFailed:     "connections_failed",
	ConnectionsStalled:    "connections_stalled",
	Reconnects:            "reconnects",
	SynRetransmits:        "syn_retransmits",
	Unreachable:           "unreachable",
	RxTimestampsMissing:   "rx_timestamps_missing",
	TxTimestampsMissing:   "tx_timestamps_missing",
	QueueOverflow:         "queue_overflow",
	ClockSteps:            "clock_steps",
	SamplesAcrossStep:     "samples_across_step",
	ReceiveFailed:         "receive_failed",
	RepliesImplausible:    "replies_implausible",
	RepliesForged:         "replies_forged",
	RepliesBadTLVs:        "replies_bad_tlvs",
	LostForward:           "lost_forward",
	LostBackward:          "lost_backward",
	Remarked:              "remarked",
	StampUpgrades:         "stamp_upgrades",
	StampFallbacks:        "stamp_fallbacks",
	ProbesForged:          "probes_forged",
	ProbesUnauthenticated: "probes_unauthenticated",
	ProbesNotAllowed:      "probes_not_allowed",
	ProbesRateLimited:     "probes_rate_limited",
	ProbesBadEstimate:     "probes_bad_estimate",
	ProbesBadTLVs:         "probes_bad_tlvs",
	EngineRestarts:        "engine_restarts",
	EngineAllocated:       "engine_allocated",
	EngineCollections:     "engine_collections",
}

// String gives the counter's name in logs.
func (c Counter) String() string { return counterNames[c] }

// Block is the counters of one loop.
type Block struct {
	counts   [NumCounters]atomic.Uint64
	lateness Histogram
	through  atomic.Int64 // a clock.Mono
	beat     atomic.Int64 // when the loop last went round: a clock.Mono
}

// Add adds n to counter c. Only the owning loop may call it; it does not allocate.
func (b *Block) Add(c Counter, n uint64) {
	if n > 0 { // a store is far dearer than to look
		b.counts[c].Store(b.counts[c].Load() + n)
	}
}

// Inc adds 1 to counter c, like Add.
func (b *Block) Inc(c Counter) { b.Add(c, 1) }

// Get reads counter c.
func (b *Block) Get(c Counter) uint64 { return b.counts[c].Load() }

// Late records by how much a slot was sent after its time. Only the owning loop may call it.
func (b *Block) Late(d time.Duration) { b.lateness.Record(d) }

// Through records that all slots up to t are counted, sent or skipped. Only the owning loop may call it.
func (b *Block) Through(t clock.Mono) { b.through.Store(int64(t)) }

// CountedThrough is the time of the last call of Through; 0 when there was none. Whoever takes over the
// sessions of a loop that died goes on from there.
func (b *Block) CountedThrough() clock.Mono { return clock.Mono(b.through.Load()) }

// Beat records that the loop goes round at t. Only the owning loop may call it.
func (b *Block) Beat(t clock.Mono) { b.beat.Store(int64(t)) }

// LastBeat is the time of the last call of Beat; 0 when there was none. It stays the same while the loop
// stands still.
func (b *Block) LastBeat() clock.Mono { return clock.Mono(b.beat.Load()) }

// TakeOver adds what other, whose loop is no more, has counted. Probes that the loop had under way will
// never be settled, and are counted as abandoned. Only the owner of b may call it.
func (b *Block) TakeOver(other *Block) {
	for c := range NumCounters {
		b.Add(c, other.Get(c))
	}
	settled := other.Get(ProbesAnswered) + other.Get(ProbesLost) + other.Get(ProbesAbandoned) + other.Get(ProbesOneWay)
	if sent := other.Get(SlotsSent); sent > settled {
		b.Add(ProbesAbandoned, sent-settled)
	}
	b.lateness.add(&other.lateness)
}

// Totals is a sum of blocks at one time.
type Totals struct {
	Counts   [NumCounters]uint64
	Lateness Snapshot
}

// Sum reads and adds up blocks.
func Sum(blocks []*Block) Totals {
	var t Totals
	for _, b := range blocks {
		for c := range NumCounters {
			t.Counts[c] += b.Get(c)
		}
		b.lateness.addTo(&t.Lateness)
	}
	return t
}

// Skipped is the number of slots in which no probe was sent, for whatever reason.
func (t Totals) Skipped() uint64 {
	return t.Counts[SkippedLate] + t.Counts[SkippedUnanswered] + t.Counts[SkippedDisconnected] +
		t.Counts[SkippedBacklog] + t.Counts[SkippedSendError]
}
