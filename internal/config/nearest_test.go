package config

import "testing"

func TestNearestKnownWord(t *testing.T) {
	known := []string{"interval", "timeout", "tcp", "udp", "tcp_port", "size"}
	for _, test := range []struct{ name, word, want string }{
		{"a letter too many", "intervall", "interval"},
		{"a letter missing", "timout", "timeout"},
		{"two letters swapped", "itnerval", "interval"},
		{"a wrong letter", "tcb", "tcp"},
		{"another case", "SIZE", "size"},
		{"a dash", "tcp-port", "tcp_port"},
		{"far from all", "frobnicate", ""},
		{"nothing", "", ""},
		{"short and wrong throughout", "xy", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := Nearest(test.word, known)
			if got != test.want || ok != (test.want != "") {
				t.Errorf("Nearest(%q) = %q, %v, want %q", test.word, got, ok, test.want)
			}
		})
	}
}

func TestEditDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "abd", 1},
		{"kitten", "sitting", 3}, {"flaw", "lawn", 2},
	} {
		if got := editDistance(test.a, test.b); got != test.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
