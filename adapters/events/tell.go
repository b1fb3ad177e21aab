package events

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// tellEvery is how often the same message is logged at most: the library repeats itself many
// times a second while a broker is away.
const tellEvery = time.Minute

// teller logs by message number, each at most once a minute, with how often it came since.
type teller struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	told map[string]telling
}

type telling struct {
	at   time.Time
	more int // since then
}

func newTeller(log *slog.Logger, now func() time.Time) *teller {
	return &teller{log: log, now: now, told: map[string]telling{}}
}

// warn tells of trouble that mends itself. The cause is a machine's word, or an error.
func (t *teller) warn(ctx context.Context, code string, cause any) {
	t.say(ctx, slog.LevelWarn, code, slog.Any("cause", cause))
}

// error tells of what somebody must look at.
func (t *teller) error(ctx context.Context, code string, about slog.Attr) {
	t.say(ctx, slog.LevelError, code, about)
}

func (t *teller) say(ctx context.Context, level slog.Level, code string, a slog.Attr) {
	t.mu.Lock()
	was, now := t.told[code], t.now()
	if !was.at.IsZero() && now.Sub(was.at) < tellEvery && !now.Before(was.at) {
		was.more++
		t.told[code] = was
		t.mu.Unlock()
		return
	}
	t.told[code] = telling{at: now}
	t.mu.Unlock()
	t.log.LogAttrs(ctx, level, "events", slog.String("code", code), slog.String("target", "kafka"), a, slog.Int("count", was.more+1))
}
