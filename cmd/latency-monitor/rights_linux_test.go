package main_test

import (
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// rightsClaim is a cell of the README's table of rights, and what must be so in /proc/PID/status for it.
type rightsClaim struct {
	cell  string
	check func(s status) error
}

// rightsClaims are the claims of each row that status shows, by what its first cell begins with. The
// other rows have none: see TestEngineProcessKnowsNoSecrets for files and secrets.
func rightsClaims(as identity) map[string][]rightsClaim {
	noCapabilities := func(s status) error {
		const none = "0000000000000000"
		return s.want(map[string]string{"CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none})
	}
	noNewPrivileges := func(s status) error { return s.want(map[string]string{"NoNewPrivs": "1"}) }
	// We may have a filter ourselves, which those that we start then have, too.
	unfiltered := func(s status) error { return s.wantFilters(0) }
	filtered := func(s status) error { return s.wantFilters(1) }
	return map[string][]rightsClaim{
		"user and groups": {{"`user`, `group`", as.is}, {"the same", as.is}},
		"capabilities":    {{"none", noCapabilities}},
		"new privileges":  {{"never", noNewPrivileges}},
		"system calls":    {{"all", unfiltered}, {"those that measuring needs", filtered}},
		"files":           nil,
		"secrets":         nil,
		"bytes":           nil,
	}
}

// The columns of the table.
const (
	ofParent        = "parent"
	ofEngineProcess = "engine process"
	ofSingle        = "single process (`isolate = false`)"
)

// Each thread of each process may do what the README says, as its table is now.
func TestProcessesHaveTheRightsThatTheReadmeClaims(t *testing.T) {
	needsRoot(t, "give up rights")
	for _, as := range identities(t) {
		t.Run(as.name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, m mode) {
				config, _, _ := onLoopback(t)
				config += as.config + fmt.Sprintf("[[targets]]\nhost = %q\ninterval = 10\n", loopback)
				p := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: config})
				p.waitPoints(1, delays...)
				if m == isolated {
					checkRights(t, as, ofParent, p.cmd.Process.Pid)
					checkRights(t, as, ofEngineProcess, p.engineProcess())
				} else {
					checkRights(t, as, ofSingle, p.cmd.Process.Pid)
				}
				out, _ := p.stop()
				wantLogged(t, out, map[string]int{"going on without": 0})
			})
		})
	}
}

// checkRights checks all threads of a process against its column of the table.
func checkRights(t *testing.T, as identity, column string, pid int) {
	t.Helper()
	claims := rightsClaims(as)
	rows := rightsTable(t)
	if len(rows) != len(claims) {
		t.Errorf("README.md has %d rows of rights, want %d", len(rows), len(claims))
	}
	threads := threadsOf(t, pid)
	for name, row := range rows {
		known := claimOf(claims, name, row[column])
		if known == nil {
			t.Errorf("README.md says of %q, %s: %q, which this test can't check", name, column, row[column])
			continue
		}
		for _, tid := range threads {
			s, ok := statusOf(tid)
			if !ok {
				continue // the thread has ended meanwhile
			}
			if err := known(s); err != nil {
				t.Errorf("README.md says of %q, %s: %q, but thread %d, %s: %v", name, column, row[column], tid, s["Name"], err)
			}
		}
	}
}

// claimOf finds the check of a cell in the row of this name; nil: there is none.
func claimOf(claims map[string][]rightsClaim, name, cell string) func(status) error {
	for prefix, known := range claims {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		if known == nil {
			return func(status) error { return nil }
		}
		for _, c := range known {
			if cell == c.cell || strings.HasPrefix(cell, c.cell+";") {
				return c.check
			}
		}
	}
	return nil
}

// rightsTable is the README's table of what each process may do: by the row's name, the cells by column.
func rightsTable(t *testing.T) map[string]map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| | "+ofParent+" | "+ofEngineProcess+" | "+ofSingle+" |\n| --- | --- | --- | --- |\n")
	if !found {
		t.Fatal("README.md has no table of what each process may do")
	}
	rows := map[string]map[string]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) != 4 {
			break
		}
		rows[strings.TrimPrefix(cells[0], "| ")] = map[string]string{
			ofParent: cells[1], ofEngineProcess: cells[2], ofSingle: strings.TrimSuffix(cells[3], " |"),
		}
	}
	return rows
}

// identity is whom a daemon is to run as.
type identity struct {
	name, config string
	uid, gid     string
	groups       []string
}

// identities are those of the tests: root, who started it, and nobody.
func identities(t *testing.T) []identity {
	t.Helper()
	own, ok := statusOf(os.Getpid())
	if !ok {
		t.Fatal("no /proc/self/status")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skipf("needs a user nobody: %v", err)
	}
	groups, err := nobody.GroupIds()
	if err != nil {
		t.Fatal(err)
	}
	return []identity{
		{name: "as root", uid: "0", gid: strings.Fields(own["Gid"])[0], groups: strings.Fields(own["Groups"])},
		{name: "as nobody", config: "user = \"nobody\"\n", uid: nobody.Uid, gid: nobody.Gid, groups: groups},
	}
}

// is returns an error when a process is somebody else: real, effective, saved or for the file system.
func (i identity) is(s status) error {
	four := func(id string) string { return strings.Join([]string{id, id, id, id}, "\t") }
	if err := s.want(map[string]string{"Uid": four(i.uid), "Gid": four(i.gid)}); err != nil {
		return err
	}
	if got, want := set(strings.Fields(s["Groups"])), set(i.groups); !slices.Equal(got, want) {
		return fmt.Errorf("Groups are %q, want %q", got, want)
	}
	return nil
}

func set(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
