package netnstest

import (
	"context"
	"os/exec"
)

// Place is where a program runs: a Host of a lab, or ThisHost.
type Place interface {
	// Command returns a command that will run there.
	Command(ctx context.Context, name string, args ...string) *exec.Cmd
}

// ThisHost is the host that the test itself runs on.
type ThisHost struct{}

// Command implements Place.
func (ThisHost) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, name, args...)
}
