package privilege

import (
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// A user and group that no system has, as a name and as a number.
const (
	unknownName   = "no-such-name"
	unknownNumber = "4012345678"
)

func TestLookupIdentityResolvesNamesAndNumbers(t *testing.T) {
	number := uint32(4012345678)
	unknown := int(number) // negative where int has 32 bits
	tests := []struct {
		name        string
		user, group string
		want        Identity
	}{
		{"nothing is whoever we are", "", "", Identity{}},
		{"group alone keeps the user", "", "0", Identity{change: true, uid: os.Geteuid()}},
		{"names", "root", "root", Identity{change: true}},
		{"numbers", "0", "0", Identity{change: true}},
		{"a number written long", "000", "00", Identity{change: true}},
		{"numbers in no database", unknownNumber, unknownNumber, Identity{change: true, uid: unknown, gid: unknown}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := LookupIdentity(tt.user, tt.group)
			if err != nil || !sameIdentity(got, tt.want) {
				t.Errorf("LookupIdentity(%q, %q) = %+v, %v, want %+v", tt.user, tt.group, got, err, tt.want)
			}
		})
	}
}

func sameIdentity(a, b Identity) bool {
	return a.change == b.change && a.uid == b.uid && a.gid == b.gid && slices.Equal(a.groups, b.groups)
}

func TestLookupIdentityTakesAllGroupsOfAUserAlone(t *testing.T) {
	for _, key := range []string{"root", "0"} {
		root, err := user.Lookup("root")
		if err != nil {
			t.Fatal(err)
		}
		numbers, err := root.GroupIds()
		if err != nil {
			t.Fatal(err)
		}
		got, err := LookupIdentity(key, "")
		if err != nil || strconv.Itoa(got.gid) != root.Gid {
			t.Errorf("LookupIdentity(%q, \"\") has group %d, %v, want %s", key, got.gid, err, root.Gid)
		}
		for _, number := range numbers {
			if gid, _ := strconv.Atoi(number); !slices.Contains(got.groups, gid) {
				t.Errorf("LookupIdentity(%q, \"\") has groups %v, want %d among them", key, got.groups, gid)
			}
		}
	}
}

func TestLookupIdentityNamesKeyValueAndWhatIsAllowed(t *testing.T) {
	tests := []struct {
		name        string
		user, group string
		want        string
	}{
		{"no such user", unknownName, "", `user "no-such-name": no such user; a name in`},
		{"no such user with a group", unknownName, "0", `user "no-such-name": no such user; a name in`},
		{"no such group", "", unknownName, `group "no-such-name": no such group; a name in`},
		{"a negative number", "-1", "0", `user "-1": no such user; a name in`},
		{"the number that means no change", "", "4294967295", `group "4294967295": no such group; a name in`},
		{"a user without entry and group", unknownNumber, "", `user "4012345678": not in the system's user database, so the key group`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := LookupIdentity(tt.user, tt.group)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("LookupIdentity(%q, %q) = %+v, %v, want one line starting with %q", tt.user, tt.group, got, err, tt.want)
			}
		})
	}
}

func TestBecomeSwitchesAllThreadsForGood(t *testing.T) {
	inCopy(t, asRoot, func(t *testing.T) {
		lockThreads(t)
		if err := (Identity{change: true, uid: nobody, gid: nobody, groups: []int{1, 2}}).Become(); err != nil {
			t.Fatal(err)
		}
		ids := "65534 65534 65534 65534"
		none := "0000000000000000"
		wantStatus(t, openStatus(t), map[string]string{
			"Uid": ids, "Gid": ids, "Groups": "1 2", "CapEff": none, "CapPrm": none, "CapBnd": none,
		})
		if err := syscall.Setuid(0); err != unix.EPERM {
			t.Errorf("setuid(0) = %v, want EPERM", err)
		}
		if err := syscall.Setgid(0); err != unix.EPERM {
			t.Errorf("setgid(0) = %v, want EPERM", err)
		}
	})
}

func TestBecomeWithGroupAloneKeepsUser(t *testing.T) {
	inCopy(t, asRoot, func(t *testing.T) {
		lockThreads(t)
		id, err := LookupIdentity("", "65534")
		if err != nil {
			t.Fatal(err)
		}
		if err := id.Become(); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, openStatus(t), map[string]string{"Uid": "0 0 0 0", "Gid": "65534 65534 65534 65534", "Groups": ""})
	})
}

func TestBecomeNeedsNoRightsToStayWhoWeAre(t *testing.T) {
	inCopy(t, asNobody, func(t *testing.T) {
		before := ownStatus(t, "CapBnd")
		for _, keys := range [][2]string{{"", ""}, {"65534", "65534"}, {"", "65534"}} {
			id, err := LookupIdentity(keys[0], keys[1])
			if err != nil {
				t.Fatal(err)
			}
			if err := id.Become(); err != nil {
				t.Errorf("user %q, group %q: Become() = %v, want nil", keys[0], keys[1], err)
			}
		}
		if after := ownStatus(t, "CapBnd"); after != before {
			t.Errorf("bounding set = %s, want %s as before", after, before)
		}
	})
}

func TestBecomeFailsWithoutRights(t *testing.T) {
	inCopy(t, asNobody, func(t *testing.T) {
		for _, id := range []Identity{
			{change: true},
			{change: true, uid: nobody, gid: 0},
			{change: true, uid: 1, gid: nobody},
			{change: true, uid: nobody, gid: nobody, groups: []int{1}},
		} {
			if err := id.Become(); err == nil || !strings.Contains(err.Error(), "CAP_SETUID") {
				t.Errorf("%+v.Become() = %v, want an error that names CAP_SETUID", id, err)
			}
		}
		if uid := ownStatus(t, "Uid"); uid != "65534 65534 65534 65534" {
			t.Errorf("Uid = %q, want still 65534", uid)
		}
	})
}

func TestBecomeReportsAWayBackToRoot(t *testing.T) {
	inCopy(t, asRoot, func(t *testing.T) {
		if err := cap.SecbitNoSetUIDFixup.Set(); err != nil {
			t.Skipf("needs CAP_SETPCAP to set securebits: %v", err)
		}
		err := Identity{change: true, uid: nobody, gid: nobody}.Become()
		if err == nil || !strings.Contains(err.Error(), "can still become root") {
			t.Errorf("Become() = %v, want an error, because the capabilities stay", err)
		}
	})
}
