package inbox

import (
	"context"
	"fmt"
	"sync"
	"time"

	"kakehashi/internal/store"
)

// Summary sums up what is not over.
type Summary struct {
	Due       int       // due or being worked at
	Waiting   int       // for the next run
	Parked    int       // somebody has to decide
	Oldest    time.Time // when the oldest of those due came; zero: none is
	Groups    []Group   // by state, cause, code and source
	Shut      bool      // nobody is asked about but one at a time, after failures
	NextProbe time.Time // when the next one is; zero where it is not shut
	Cause     string    // why it is shut
}

// Group is notices that stand alike.
type Group struct {
	State  State
	Cause  string
	Code   string
	Source string
	Count  int
	Oldest time.Time // when the oldest of them came
}

// shown is what the run shows of its gate.
type shown struct {
	mu   sync.Mutex
	gate gate
}

func (s *shown) publish(g gate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = g
}

const sumUp = `SELECT state, cause, code, source, count(*), min(received_at) FROM inbox_notice
	WHERE ` + open + ` GROUP BY state, cause, code, source ORDER BY state, cause, code, source`

// Summary sums up what is not over, from one snapshot.
func (b *Box) Summary(ctx context.Context) (s Summary, err error) {
	rows, err := store.Query(ctx, b.rooms.DB, sumUp)
	if err != nil {
		return Summary{}, fmt.Errorf("sum up notices: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var g Group
		var oldest int64
		if err := rows.Scan(&g.State, &g.Cause, &g.Code, &g.Source, &g.Count, &oldest); err != nil {
			return Summary{}, fmt.Errorf("sum up notices: %w", err)
		}
		g.Oldest = moment(oldest)
		s.add(g)
	}
	if err := rows.Err(); err != nil {
		return Summary{}, fmt.Errorf("sum up notices: %w", err)
	}
	b.shut.mu.Lock()
	defer b.shut.mu.Unlock()
	if g := b.shut.gate; g.fails > 0 {
		s.Shut, s.Cause, s.NextProbe = true, g.cause, b.rooms.Now().Add(max(time.Until(g.next), 0)).UTC()
	}
	return s, nil
}

func (s *Summary) add(g Group) {
	switch g.State {
	case Waiting:
		s.Waiting += g.Count
	case Parked:
		s.Parked += g.Count
	case Due, Working, Settled, Discarded:
		s.Due += g.Count
		if s.Oldest.IsZero() || g.Oldest.Before(s.Oldest) {
			s.Oldest = g.Oldest
		}
	}
	s.Groups = append(s.Groups, g)
}
