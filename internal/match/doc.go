// Package match settles what became of probes by their sequence numbers: Table at the sender, from the
// numbers of the replies; Window at the receiver, from the gaps between the numbers that arrive.
//
// Numbers on the wire wrap: at 101 in the text protocol, at 2^32 in STAMP. Inside they are counted on
// without an end (seq), and the package finds out which seq a number stands for.
//
// Nothing here allocates after the constructor, and nothing is safe for concurrent use.
package match
