// Package isolation runs an engine in a process of its own: a child that has the loops and nothing
// else. No garbage is collected there, no password is known, and what strangers send is parsed without
// the right to do harm. It goes on when this process, the parent, stalls, and is started again when it
// dies.
//
// Between the two there are, and nothing else:
//
//   - memory that both map: a ring and a block of counters for each loop (memory_linux.go);
//   - a pair of sockets for commands, session descriptors and notes, framed and versioned (message.go);
//   - an event descriptor by which the child wakes the parent, only when it sleeps;
//   - the sockets that the parent opens once and lends to each child in turn (packetio.Lent), so that
//     no child ever needs a privilege.
//
// The parent does not trust the child: it looks at every index, sample and message before it relies on
// it. The child trusts the parent.
package isolation
