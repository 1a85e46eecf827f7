//go:build !linux

package main

// saveMemory has nothing to do where the loops have no process of their own, which would suffer.
func saveMemory(bool) error { return nil }
