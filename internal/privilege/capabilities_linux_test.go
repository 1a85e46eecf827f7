package privilege

import (
	"os/exec"
	"testing"

	"kernel.org/pub/linux/libs/security/libcap/cap"
)

var noCapabilities = map[string]string{
	"NoNewPrivs": "1",
	"CapInh":     "0000000000000000",
	"CapPrm":     "0000000000000000",
	"CapEff":     "0000000000000000",
	"CapAmb":     "0000000000000000",
}

func TestDropCapabilitiesEmptiesAllSetsOfAllThreads(t *testing.T) {
	inCopy(t, asRoot, func(t *testing.T) {
		lockThreads(t)
		wantNoErrors(t, "DropCapabilities", DropCapabilities())
		files := openStatus(t)
		wantStatus(t, files, noCapabilities)
		wantStatus(t, files, map[string]string{"CapBnd": "0000000000000000"})
	})
}

func TestDropCapabilitiesHoldsForChildrenOfRoot(t *testing.T) {
	inCopy(t, asRoot, func(t *testing.T) {
		wantNoErrors(t, "DropCapabilities", DropCapabilities())
		status, err := exec.Command("cat", "/proc/self/status").Output()
		if err != nil {
			t.Fatal(err)
		}
		for field, want := range noCapabilities {
			if got := statusField(status, field); got != want {
				t.Errorf("child: %s = %q, want %q", field, got, want)
			}
		}
	})
}

func TestDropCapabilitiesLeavesBoundingSetWithoutRights(t *testing.T) {
	inCopy(t, asNobody, func(t *testing.T) {
		lockThreads(t)
		before := ownStatus(t, "CapBnd")
		wantNoErrors(t, "DropCapabilities", DropCapabilities())
		files := openStatus(t)
		wantStatus(t, files, noCapabilities)
		wantStatus(t, files, map[string]string{"CapBnd": before})
	})
}

// A service manager gives an unprivileged daemon its capabilities this way.
func TestDropCapabilitiesEmptiesAmbientSet(t *testing.T) {
	who := asNobody
	who.AmbientCaps = []uintptr{uintptr(cap.NET_RAW), uintptr(cap.SYS_NICE)}
	inCopy(t, who, func(t *testing.T) {
		lockThreads(t)
		if ambient := ownStatus(t, "CapAmb"); ambient == noCapabilities["CapAmb"] {
			t.Skip("needs CAP_NET_RAW and CAP_SYS_NICE for an ambient set")
		}
		wantNoErrors(t, "DropCapabilities", DropCapabilities())
		wantStatus(t, openStatus(t), noCapabilities)
	})
}

func TestDropCapabilitiesCanBeRepeated(t *testing.T) {
	inCopy(t, asRoot, func(t *testing.T) {
		wantNoErrors(t, "DropCapabilities", DropCapabilities())
		wantNoErrors(t, "DropCapabilities again", DropCapabilities())
	})
}
