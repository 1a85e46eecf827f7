package exporter_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

func TestWhatServersSayIsOneReadableLine(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"JSON stays as it is", `{"errors":["Forbidden"]}` + "\n", `{"errors":["Forbidden"]}`},
		{"lines and control characters", "a\r\n\tb\x1b[2Jc\x00d", "a b [2Jc d"},
		{"characters that turn the direction", "a\u202eb", "a b"},
		{"no UTF-8", "a\xffb", "a\ufffdb"},
		{"200 characters", strings.Repeat("ä", 200), strings.Repeat("ä", 200)},
		{"one more", strings.Repeat("ä", 201), strings.Repeat("ä", 200) + "…"},
		{"nothing", " \n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := exporter.Said(test.text); got != test.want {
				t.Errorf("Said(%q) = %q, want %q", test.text, got, test.want)
			}
		})
	}
}

func TestAnswerIsToldWithWhatTheServerSaysIfItSaysAnything(t *testing.T) {
	r := httptest.NewRequest(http.MethodPut, "http://h:1/a", nil)
	for body, want := range map[string]string{"": "PUT http://h:1/a: 403 Forbidden", "no\nway": "PUT http://h:1/a: 403 Forbidden: no way"} {
		if got := exporter.Answered(r, "403 Forbidden", body).Error(); got != want {
			t.Errorf("Answered with %q = %q, want %q", body, got, want)
		}
	}
}
