package measurement

// OWD is the one-way delay from its two timestamps, each of its own host's clock (RFC 7679).
func OWD(t1, t2 int64) int64 { return t2 - t1 }

// RTT is the round-trip time without the time inside the reflector: (T4 - T1) - (T3 - T2). A zero t3
// means that the reflector did not say when it replied; its residence time then stays in the result.
func RTT(t1, t2, t3, t4 int64) int64 {
	if t3 == 0 {
		return t4 - t1
	}
	return (t4 - t1) - (t3 - t2)
}
