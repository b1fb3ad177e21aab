package inbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

const (
	mostValue   = 64 << 10 // of a notice that is read
	mostKept    = 4 << 20  // of one that is parked, in all
	mostHeaders = 100      // … and of its headers
	mostText    = 256      // characters of an id or a type
	mostSource  = 128
	takeTimeout = 10 * time.Second
)

const insertNotice = `INSERT INTO inbox_notice (name, source, type, lane, topic, part, place, event_at, received_at,
	state, due_at, number, fails, last_at, cause, code, result, ended_at, mark_by, mark_reason, body)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9, 0, 0, 0, $11, $12, '', 0, '', '', $13)
	ON CONFLICT (name) DO NOTHING`

// Take keeps a message. When it returns nil the message is on the disk, or was before; one
// that cannot be read is kept as parked. With every error nothing was kept, but with Unsure,
// where it may have been; taking it again is safe. It is Unavailable where the database
// cannot be written, and never another fault because of what the message says.
func (b *Box) Take(ctx context.Context, m Message) (Taken, error) {
	k := b.read(m)
	body, err := b.seal.close(k.stored, k.Name)
	if err != nil {
		return Taken{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	now := micros(b.rooms.Now())
	err = store.WithTx(ctx, b.rooms.DB, func(ctx context.Context, tx *store.Tx) error {
		n, err := tx.Exec(ctx, insertNotice, k.Name, k.source, k.kind, k.lane, topicOf(m), int64(m.Partition), m.Offset,
			micros(k.at), now, string(k.State), k.Cause, k.Code, body)
		if err != nil {
			return fmt.Errorf("keep a notice: %w", err)
		}
		k.Duplicate = n == 0
		if n > 0 && k.State == Due {
			b.wakeOn(tx)
		}
		return nil
	})
	switch {
	case err != nil:
		return Taken{}, err
	case k.Duplicate:
		return Taken{Name: k.Name, Duplicate: true}, nil
	case k.State == Parked:
		b.tell(ctx, codeParked, k.Cause)
	}
	return k.Taken, nil
}

// reading is what became of a message.
type reading struct {
	Taken
	source, kind, lane string
	at                 time.Time
	stored             storedNotice
}

// read judges a message: due, or parked with all that came.
func (b *Box) read(m Message) reading {
	k := reading{Taken: Taken{Name: b.seal.nameOf(m), State: Due}}
	if sourceFits(m.Source) {
		k.source = m.Source
	}
	n, err := b.understand(m, &k)
	if err != nil {
		f := fault.Find(err)
		k.State, k.Cause, k.Code, k.stored = Parked, word(f), f.Code, storeRaw(m)
		return k
	}
	k.kind, k.lane, k.stored = m.Type, b.seal.laneOf(n.Person), storeRead(n, m.By)
	return k
}

// understand reads a message, or says why it cannot be one.
func (b *Box) understand(m Message, k *reading) (n ledger.Notice, err error) {
	park := func(cause, code string) error {
		return fault.New(fault.Invalid, "an event cannot be a notice").WithReason(cause).WithCode(code)
	}
	at, ok := eventTime(m.Time)
	switch {
	case !plainText(m.ID) || !plainText(m.Type) || m.Source == "" || !ok:
		return n, park(CauseNoEvent, codeNoEvent)
	case k.source == "" || len(b.cfg.Sources) > 0 && !slices.Contains(b.cfg.Sources, k.source):
		return n, park(CauseSource, codeSource)
	case len(m.Value) > mostValue:
		return n, park(CauseTooLarge, codeTooLarge)
	}
	k.at = at
	if n, err = b.rooms.Read(m.Type, m.Value); err != nil {
		return n, err
	}
	if p := n.Person; !p.Valid() || b.rooms.Digits > 0 && len(p) != b.rooms.Digits || b.rooms.Digits == 0 && len(p) == 12 {
		return n, park(CausePerson, codePerson)
	}
	return n, nil
}

// topicOf gives the topic as far as it has the shape of one.
func topicOf(m Message) string {
	if len(m.Topic) > 249 {
		return m.Topic[:249]
	}
	return m.Topic
}

// plainText tells whether a text can be an event's id or type.
func plainText(s string) bool {
	return s != "" && len(s) <= mostText && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' })
}

// sourceFits tells whether a source may be shown: a short identifier in which no number of a
// person can stand.
func sourceFits(s string) bool {
	run := 0
	for _, r := range []byte(s) {
		switch {
		case r >= '0' && r <= '9':
			run++
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == ':', r == '/':
			run = 0
		case r == '.', r == '_', r == '-':
		default:
			return false
		}
		if run >= 7 {
			return false
		}
	}
	return s != "" && len(s) <= mostSource
}

// word gives the machine word for the cause of a failure.
func word(f *fault.Error) string {
	switch {
	case isWord(f.Reason):
		return f.Reason
	case f.Kind == fault.Unavailable:
		return CauseDown
	default:
		return f.Kind.String()
	}
}

// isWord tells whether a text is a lower-case word as causes are.
func isWord(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && r != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 32
}
