package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/config"
)

func TestErrorsInTheLogAreReadable(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"one word", "EOF", "EOF"},
		{"words", "connection refused", `"connection refused"`},
		{"an answer in JSON", `403 Forbidden: {"errors":["Forbidden"]}`, "`403 Forbidden: {\"errors\":[\"Forbidden\"]}`"},
		{"both kinds of quotes", "table `a`: \"b\"", `"table ` + "`a`" + `: \"b\""`},
		{"a control character", "\"a\"\x1b", `"\"a\"\x1b"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			log, closeLog, err := openLog(config.Config{LogLevel: config.LogInfo}, &out)
			if err != nil {
				t.Fatal(err)
			}
			defer closeLog()
			log.Error().Err(errors.New(test.text)).Str("backend", "b").Msg("it fails")
			if got := out.String(); !strings.HasSuffix(got, " ERROR it fails error="+test.want+" backend=b\n") {
				t.Errorf("the log has %q, want error=%s", got, test.want)
			}
		})
	}
}
