//go:build !linux

package isolation

func serveAs(string) int { return Serve() }
