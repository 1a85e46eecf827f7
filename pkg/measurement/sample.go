package measurement

// SessionID names a session in samples. IDs of sessions that this daemon probes are given by whoever
// adds them and are below ReflectedIDs; a reflector numbers those that it found upward from there.
type SessionID uint32

// ReflectedIDs is the first ID of sessions that a reflector found. An ID is used once in a process's
// life (they wrap after two thousand million sessions).
const ReflectedIDs SessionID = 1 << 31

// Kind says what a Sample record carries.
type Kind uint8

// Record kinds. A ring carries them in the order in which they happened, so a session's name always
// comes before its first sample, and its end after its last.
const (
	KindMetric Kind = iota + 1 // a measured delay, or lost probes
	KindName                   // a piece of a reflected session's identity; see NamePiece
	KindEvent                  // a change of state, for the log; see NewEvent
	KindEnd                    // the reflected session is over and its ID will not be seen again
)

// Sample is the fixed-size record that crosses from the measuring threads to the exporter. It is 64
// bytes, one cache line, and holds no pointers, so that it can lie in memory shared by two processes.
//
// For KindMetric, Time is the point's timestamp: when the probe was sent for what the prober
// measures (T1), when it arrived for what the receiver measures (T2); for the receiver's losses, when
// they were noticed, or with STAMP, about when the first of them was sent. Value is the delay in
// nanoseconds, or how many probes were lost; of several, T4 is about when the last of them was sent, and
// the others were evenly in between; 0 if they are to be told for one time. Else T1 to T4 are the timestamps that the delay was computed
// from, 0 where unknown, and Sent and Received say how exact the first and the last of them are. For
// the other kinds the fields after Metric are payload.
type Sample struct {
	Session  SessionID
	Kind     Kind
	Metric   Metric
	Sent     TimestampSource
	Received TimestampSource
	Seq      uint64 // of the probe, not wrapped; 0 is a session's first
	Time     int64
	Value    int64
	T1       int64
	T2       int64
	T3       int64
	T4       int64
}

// SampleSize is the size of a Sample in memory, in bytes.
const SampleSize = 64
