// Command runtests runs go test, prints what go test prints, and after that which tests were
// skipped and why.
//
//	runtests [-race] [-strict] [-timeout DURATION] PACKAGE...
//
// With -strict a skipped test is a failure, unless its reason starts with "not on this platform:".
//
// A skip that comes out of go test's cache may be out of date, because the cache does not know
// that a tool was installed or that root runs the tests now. Such packages are run again.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

func main() {
	race := flag.Bool("race", false, "run under the race detector")
	strict := flag.Bool("strict", false, "fail when a test was skipped")
	timeout := flag.Duration("timeout", 10*time.Minute, "time limit of one package")
	flag.Parse()

	// Four packages at a time, on two CPUs too: tests wait more than they compute. A timing is a benchmark here, not
	// a test.
	args := []string{"test", "-json", "-p=4", "-timeout=" + timeout.String()}
	if *race {
		args = append(args, "-race")
	}
	passed, err := run(os.Stdout, options{goArgs: args, packages: flag.Args(), strict: *strict})
	if err != nil {
		fmt.Fprintln(os.Stderr, "runtests:", err)
	}
	if err != nil || !passed {
		os.Exit(1)
	}
}

type options struct {
	goArgs   []string // "test" and its flags
	packages []string
	strict   bool
}

// run reports whether all tests passed and, if opts.strict, none was skipped that could run here.
func run(out io.Writer, opts options) (bool, error) {
	r := newReport(out)
	passed, err := goTest(r, append(opts.goArgs, opts.packages...))
	if err != nil {
		return false, err
	}
	if stale := r.takeCachedSkips(); len(stale) > 0 {
		fmt.Fprintln(out, "# skipped tests were cached, running them again:")
		again, err := goTest(r, append(append(opts.goArgs, "-count=1"), stale...))
		if err != nil {
			return false, err
		}
		passed = passed && again
	}
	unexpected := r.printSkips()
	if opts.strict && unexpected > 0 {
		fmt.Fprintf(out, "FAIL: %d skipped tests can run on this machine\n", unexpected)
		return false, nil
	}
	return passed, nil
}

// goTest feeds the events of one go test run to r and reports whether go test succeeded.
func goTest(r *report, args []string) (bool, error) {
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	readErr := r.read(stdout)
	err = cmd.Wait()
	if readErr != nil {
		return false, fmt.Errorf("read go test's output: %w", readErr)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return false, nil
	}
	return err == nil, err
}
