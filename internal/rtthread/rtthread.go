package rtthread

import "runtime"

// Options of a measuring thread. The zero value locks the thread and makes its timers exact.
type Options struct {
	Name     string // of the thread, for top -H; the kernel cuts it to 15 octets (proc(5), comm); "" = leave it
	Priority int    // SCHED_FIFO priority, 1 to 99 (sched(7)); 0 = leave the policy alone
	CPU      int    // the only CPU to run on; negative = any
	// Inherit passes the priority on to threads and processes that the thread starts. They start with
	// the default policy otherwise.
	Inherit bool
}

// Enter locks the calling goroutine to its thread and sets the thread up. It never unlocks: the
// thread ends with the goroutine, so that nothing of this leaks into other goroutines. What the
// system refused comes back, one error each; the thread works without.
func Enter(o Options) []error {
	runtime.LockOSThread()
	return setUp(o)
}
