package latencymonitor

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"testing"

	"github.com/rs/zerolog"
)

func TestLogGoesToSlogAsItIs(t *testing.T) {
	var out bytes.Buffer
	log := logTo(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: slog.LevelInfo,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime && !a.Value.Time().IsZero() {
				return slog.Attr{}
			}
			return a
		},
	})))
	log.Debug().Msg("left out")
	log.Info().Str("host", "a b").Uint64("big", math.MaxUint64).Int("small", -1).Float64("part", 0.5).Bool("yes", true).Msg("said")
	backend := log.With().Str("backend", "b").Logger()
	backend.Error().Err(errors.New("no")).Msg("")
	log.Warn().Msg("careful")
	log.WithLevel(zerolog.FatalLevel).Msg("over")
	want := `level=INFO msg=said host="a b" big=18446744073709551615 small=-1 part=0.5 yes=true` + "\n" +
		"level=ERROR msg=\"\" backend=b error=no\nlevel=WARN msg=careful\nlevel=ERROR+4 msg=over\n"
	if out.String() != want {
		t.Errorf("logged\n%swant\n%s", &out, want)
	}
}

func TestNoLoggerIsSilent(t *testing.T) {
	silent := logTo(nil)
	silent.Error().Msg("nobody hears this")
}
