// Package loop is the event loop that every measuring thread runs: it waits for the next slot, for
// packets and for commands, and calls a handler (the session-sender or the session-reflector), which
// so owns its sockets, sessions and schedule without a lock.
//
// The order in one turn is what makes slots punctual: what is due goes first, then what is ready is
// read, and between any two reads the clock is looked at again. Received packets carry kernel
// timestamps and can wait; a slot can't. But where slots take more time than there is, turn after turn, reading gets
// half of it: else the slots would be kept, and the replies lost.
//
// Waiting has two implementations: epoll with a timerfd (Linux), and channels with timers (Portable).
package loop
