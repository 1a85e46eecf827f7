package main

import (
	"testing"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/config"
)

// A session that the reflector accepts and the exporter has no room for publishes nothing.
func TestExporterKnowsAsManySessionsAsTheReflector(t *testing.T) {
	for _, sessions := range []int{1, 4096, 1 << 20} {
		c := config.Config{MaxSessions: sessions}
		reflected := engineConfig(c, nil).MaxSessions
		if exported := exporterConfig(c, zerolog.Nop(), nil).MaxReflected; exported < reflected {
			t.Errorf("max_sessions %d: reflector knows %d, exporter %d", sessions, reflected, exported)
		}
	}
}
