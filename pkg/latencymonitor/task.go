package latencymonitor

import "context"

// task is a running Run(ctx).
type task struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid when done is closed
}

func start(run func(context.Context) error) *task {
	ctx, cancel := context.WithCancel(context.Background())
	t := &task{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(t.done)
		t.err = run(ctx)
	}()
	return t
}

// stop ends the task, waits for it and returns its error. It may be called again.
func (t *task) stop() error {
	t.cancel()
	<-t.done
	return t.err
}
