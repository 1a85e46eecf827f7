package measurement

import "encoding/binary"

// A reflected session's identity (its name, a '|', and its tags as they came in the packet) crosses
// the ring in pieces, ahead of its first sample.

const nameChunk = 5 * 8 // octets per record: Value, T1, T2, T3, T4

// MaxIdentity is the longest identity that can be announced, in octets.
const MaxIdentity = 8192

// NamePieces is how many records announce an identity of n octets.
func NamePieces(n int) int { return max(1, (n+nameChunk-1)/nameChunk) }

// NamePiece makes record i of NamePieces(len(identity)) for session id of transport t.
func NamePiece(id SessionID, t Transport, identity []byte, i int) Sample {
	var chunk [nameChunk]byte
	copy(chunk[:], identity[min(i*nameChunk, len(identity)):])
	word := func(k int) int64 { return int64(binary.LittleEndian.Uint64(chunk[k*8:])) }
	return Sample{
		Session: id, Kind: KindName, Metric: Metric(t),
		Seq: uint64(len(identity))<<32 | uint64(i), Time: 0,
		Value: word(0), T1: word(1), T2: word(2), T3: word(3), T4: word(4),
	}
}

// NameAssembler puts identities together again from the records of one ring. It trusts nothing in
// them: pieces out of order or too long are dropped. Not safe for concurrent use.
type NameAssembler struct {
	id   SessionID
	text []byte
	want int
}

// Add takes a KindName record. Once the identity is complete it returns it (valid until the next
// call) and true.
func (a *NameAssembler) Add(s *Sample) (identity []byte, complete bool) {
	if s.Seq>>32 > MaxIdentity || s.Seq&(1<<32-1) > MaxIdentity {
		return nil, false
	}
	total, i := int(s.Seq>>32), int(uint32(s.Seq))
	if i == 0 {
		a.id, a.want, a.text = s.Session, total, a.text[:0]
	}
	if s.Session != a.id || a.want != total || len(a.text) != i*nameChunk {
		return nil, false
	}
	var chunk [nameChunk]byte
	for k, v := range [...]int64{s.Value, s.T1, s.T2, s.T3, s.T4} {
		binary.LittleEndian.PutUint64(chunk[k*8:], uint64(v))
	}
	a.text = append(a.text, chunk[:min(nameChunk, total-len(a.text))]...)
	return a.text, len(a.text) == total
}
