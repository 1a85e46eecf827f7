package serverstest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// installation finds what the servers need.
type installation struct {
	folder string // of what is no package of the system's
}

// here is the installation of this machine.
func here() installation {
	if folder := os.Getenv("LM_TEST_SERVERS"); folder != "" {
		return installation{folder}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.DevNull // nothing is in there
	}
	return installation{filepath.Join(cache, "latency-monitor", "servers")}
}

// missing skips the test for want of what the error names.
func missing(t testing.TB, err error) {
	t.Helper()
	t.Skipf("needs %v: make test-servers installs it", err)
}

// program finds a program of the system's; the error names it.
func program(name string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name} { // not in everybody's PATH
		if file, err := exec.LookPath(candidate); err == nil {
			return file, nil
		}
	}
	return "", errors.New(name)
}

// clickHouseOld is where Debian has it, so that it is Debian's: ClickHouse's own packages, which are
// younger, have theirs in /usr/bin.
func (installation) clickHouseOld() (string, error) {
	file, err := exec.LookPath("/usr/sbin/clickhouse-server")
	if err != nil {
		return "", errors.New("clickhouse-server 18.16 (Debian)")
	}
	return file, nil
}

// clickHouseModern returns node and the engine that it loads.
func (i installation) clickHouseModern() (node, engine string, err error) {
	const name = "@chdb/lib-linux-x64-gnu"
	if node, err = program("node"); err != nil {
		return "", "", errors.New("node (nodejs), to run " + name)
	}
	engine = filepath.Join(i.folder, "chdb", "node_modules", filepath.FromSlash(name))
	if _, err := os.Stat(filepath.Join(engine, "package.json")); err != nil {
		return "", "", errors.New(name + " (npm), the engine of ClickHouse")
	}
	return node, engine, nil
}

func (i installation) victoriaMetrics() (string, error) {
	file, err := exec.LookPath(filepath.Join(i.folder, "victoria-metrics"))
	if err != nil {
		return "", errors.New("victoria-metrics")
	}
	return file, nil
}

// pythonZMQ returns a Python that has libzmq. The system's goes first: its package brought libzmq,
// and another one in PATH may not see that.
func (installation) pythonZMQ() (string, error) {
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(python, "-c", "import zmq").Run() == nil {
			return python, nil
		}
	}
	return "", errors.New("python3-zmq")
}
