//go:build !windows

package cli

// pipeIsGone reports whether err means, on this system alone, that a pipe has no reader any more.
func pipeIsGone(error) bool { return false }
