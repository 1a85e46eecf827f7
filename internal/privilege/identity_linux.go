package privilege

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// Identity is the user and the groups to run as. The zero Identity is whoever the process is already.
type Identity struct {
	change   bool
	name     string // as it was asked for
	uid, gid int
	groups   []int // supplementary groups
}

// What is allowed for the keys; the largest number means "leave it" to setresuid(2).
const (
	maxID         = 1<<32 - 2
	allowedUsers  = "a name in the system's user database or a number from 0 to 4294967294 is allowed"
	allowedGroups = "a name in the system's group database or a number from 0 to 4294967294 is allowed"
)

func lookupIdentity(userKey, groupKey string) (Identity, error) {
	if userKey == "" && groupKey == "" {
		return Identity{}, nil
	}
	id := Identity{change: true, uid: unix.Geteuid(), name: described(userKey, groupKey)}
	if groupKey != "" {
		gid, err := groupID(groupKey)
		if err != nil {
			return Identity{}, err
		}
		id.gid = gid
	}
	if userKey == "" {
		return id, nil
	}
	account, uid, err := findUser(userKey)
	if err != nil {
		return Identity{}, err
	}
	id.uid = uid
	if groupKey != "" {
		return id, nil
	}
	if account == nil {
		return Identity{}, fmt.Errorf("user %q: not in the system's user database, so the key group must be set", userKey)
	}
	err = id.takeGroups(account)
	return id, err
}

// described is an identity as the configuration has it.
func described(userKey, groupKey string) string {
	switch {
	case userKey == "":
		return fmt.Sprintf("group %q", groupKey)
	case groupKey == "":
		return fmt.Sprintf("user %q", userKey)
	}
	return fmt.Sprintf("user %q, group %q", userKey, groupKey)
}

// findUser returns the user's entry in the database, or nil for a number that has none. A name comes
// before a number, as in chown(1).
func findUser(key string) (*user.User, int, error) {
	account, err := user.Lookup(key)
	if err != nil {
		number, ok := parseID(key)
		if !ok {
			return nil, 0, lookupError("user", key, err, allowedUsers)
		}
		if account, err = user.LookupId(formatID(number)); err != nil {
			return nil, number, nil
		}
	}
	uid, ok := parseID(account.Uid)
	if !ok {
		return nil, 0, fmt.Errorf("user %q: has the number %q; %s", key, account.Uid, allowedUsers)
	}
	return account, uid, nil
}

func groupID(key string) (int, error) {
	group, err := user.LookupGroup(key)
	if err != nil {
		number, ok := parseID(key)
		if !ok {
			return 0, lookupError("group", key, err, allowedGroups)
		}
		return number, nil
	}
	gid, ok := parseID(group.Gid)
	if !ok {
		return 0, fmt.Errorf("group %q: has the number %q; %s", key, group.Gid, allowedGroups)
	}
	return gid, nil
}

// takeGroups sets the groups to those that the user logs in with.
func (id *Identity) takeGroups(account *user.User) error {
	numbers, err := account.GroupIds()
	if err != nil {
		return fmt.Errorf("groups of user %q: %w", account.Username, err)
	}
	for _, number := range append(numbers, account.Gid) {
		gid, ok := parseID(number)
		if !ok {
			return fmt.Errorf("groups of user %q: number %q; %s", account.Username, number, allowedGroups)
		}
		id.gid = gid // in the end that of account.Gid, the primary group
		id.groups = append(id.groups, gid)
	}
	return nil
}

// lookupError leaves out os/user's words when all they say is that there is no such entry.
func lookupError(key, value string, err error, allowed string) error {
	var noUser user.UnknownUserError
	var noGroup user.UnknownGroupError
	if errors.As(err, &noUser) || errors.As(err, &noGroup) {
		return fmt.Errorf("%s %q: no such %s; %s", key, value, key, allowed)
	}
	return fmt.Errorf("%s %q: %w; %s", key, value, err, allowed)
}

// parseID parses a user's or group's number. Where int has 32 bits, the upper half of the numbers is
// negative, as it is from Getuid, and goes back to the kernel as it was.
func parseID(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return int(uint32(n)), err == nil && n <= maxID
}

func formatID(id int) string { return strconv.FormatUint(uint64(uint32(id)), 10) }

func (id Identity) become() error {
	if !id.change || id.isCurrent() {
		return nil
	}
	fail := func(call string, err error) error {
		return fmt.Errorf("become %s: %w", id.name, os.NewSyscallError(call, err))
	}
	if unix.Geteuid() != 0 && !(holds(cap.SETUID) && holds(cap.SETGID)) {
		return fmt.Errorf("become %s: %w", id.name, ErrUnprivileged)
	}
	if id.uid != 0 {
		if err := emptyBoundingSet(); err != nil {
			return err
		}
	}
	// Those of package syscall change all threads. Setgroups of x/sys/unix changes its own thread only.
	if err := syscall.Setgroups(id.groups); err != nil {
		return fail("setgroups", err)
	}
	if err := syscall.Setresgid(id.gid, id.gid, id.gid); err != nil {
		return fail("setresgid", err)
	}
	if err := syscall.Setresuid(id.uid, id.uid, id.uid); err != nil {
		return fail("setresuid", err)
	}
	// The kernel keeps capabilities across setresuid(2) when the securebits or the user namespace say
	// so (capabilities(7)), and then root is one call away.
	if id.uid != 0 && syscall.Setresuid(-1, 0, -1) == nil {
		return fmt.Errorf("become %s: the process can still become root", id.name)
	}
	return nil
}

// isCurrent reports whether the process has the identity already. Whether the primary group is listed
// among the supplementary ones makes no difference.
func (id Identity) isCurrent() bool {
	ruid, euid, suid := unix.Getresuid()
	rgid, egid, sgid := unix.Getresgid()
	groups, err := unix.Getgroups()
	return err == nil &&
		ruid == id.uid && euid == id.uid && suid == id.uid &&
		rgid == id.gid && egid == id.gid && sgid == id.gid &&
		slices.Equal(groupSet(groups, id.gid), groupSet(id.groups, id.gid))
}

func groupSet(groups []int, primary int) []int {
	set := append(slices.Clone(groups), primary)
	slices.Sort(set)
	return slices.Compact(set)
}
