// Package rtthread turns the calling goroutine into a real-time citizen: its own OS thread, exact
// timers, and where asked for a fixed CPU and a SCHED_FIFO priority.
package rtthread
