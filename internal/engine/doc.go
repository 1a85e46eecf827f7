// Package engine runs the measuring loops, and is the border between them and the rest of the program.
// What crosses it is only this: commands and session descriptors (measurement.Session) in; rings of
// fixed-size samples and blocks of counters out. No pointer into a loop's data leaves it, so the loops
// may run in a process of their own: package isolation sees to that.
//
// There are two loops, each on its own thread: one sends probes, the other one answers them, so that
// neither's bursts delay the other.
package engine
