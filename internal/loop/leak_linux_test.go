package loop

import (
	"os"
	"testing"
)

func TestNoDescriptorStays(t *testing.T) {
	for _, i := range implementations() {
		t.Run(i.name, func(t *testing.T) {
			useEverything(t, i) // opens what stays for good
			before := descriptors(t)
			useEverything(t, i)
			if after := descriptors(t); after != before {
				t.Errorf("%d descriptors are open, before it were %d", after, before)
			}
		})
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
