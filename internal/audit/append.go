package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// timeForm is how times stand in the record: RFC 3339, UTC, always nine digits, so that
// text sorts as time does.
const timeForm = "2006-01-02T15:04:05.000000000Z"

// unwritable says that the record could not be written, and what in the way stood.
func unwritable(err error) error {
	return &fault.Error{Kind: fault.Unavailable, Code: "KKH3101", Reason: "record_unwritable", What: "write the record", Err: err}
}

// IsUnwritable tells whether err means that the record could not be written or does not
// hold together, so that nothing may be looked up.
func IsUnwritable(err error) bool {
	for err != nil {
		e, ok := errors.AsType[*fault.Error](err)
		if !ok {
			return false
		}
		if e.Code == "KKH3101" || e.Code == "KKH3102" {
			return true
		}
		err = e.Err
	}
	return false
}

// Intend records that somebody is about to look something up. When it returns nil the
// intent is on the disk and the lookup may go on; with every error nothing may be asked.
// IsUnwritable tells where the record itself is the reason. Whoever hangs up while they
// wait gets an error too: if the intent was kept all the same, the record will say that
// the answer was withheld.
func (l *Log) Intend(ctx context.Context, e Entry) error {
	e.Kind = Intent
	return l.write(ctx, e)
}

// Conclude records how a lookup ended. When it returns nil the outcome is on the disk and
// the answer may be given; with every error the answer must be withheld, and the record
// will say that it was. A caller who hangs up does not end it.
func (l *Log) Conclude(ctx context.Context, e Entry) error {
	e.Kind = Outcome
	err := l.write(context.WithoutCancel(ctx), e)
	if err != nil && e.Lookup != "" {
		l.owe(withheld(e, "outcome_not_kept"))
	}
	return err
}

// Record records anything else, by itself. When it returns nil the entry is on the disk.
// A caller who hangs up does not end it. That an answer was withheld is owed where it could
// not be written: it explains an intent, which must not stay open while its writer lives.
func (l *Log) Record(ctx context.Context, e Entry) error {
	err := l.write(context.WithoutCancel(ctx), e)
	if err != nil && e.Kind == Withheld {
		l.owe(withheld(e, "outcome_not_kept"))
	}
	return err
}

// Append records an entry in the transaction that it concerns: both are committed, or
// neither. After an error the transaction cannot be committed any more.
func (l *Log) Append(ctx context.Context, tx *store.Tx, e Entry) error {
	return l.AppendAll(ctx, tx, []Entry{e})
}

// AppendAll is Append for several entries at once, in their order.
func (l *Log) AppendAll(ctx context.Context, tx *store.Tx, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	rows := make([]*row, len(entries))
	var err error
	for i, e := range entries {
		if rows[i], err = l.encode(e); err != nil {
			break
		}
	}
	if err == nil {
		err = l.place(ctx, tx, rows)
	}
	if err != nil {
		err = unwritable(err)
		tx.Fail(err)
		return err
	}
	tx.Done(func(committed bool) {
		if committed {
			l.wakeSealer()
		}
	})
	return nil
}

// Unwritten is told how a transaction ended that had an entry in it and was taken back.
// Where the database could not be written, the record could not either: Unwritten gives
// the error as IsUnwritable, and the record is not Writable until a write of it succeeds,
// which is tried every second. Every other error it gives back as it is, also that of a
// caller who hung up.
func (l *Log) Unwritten(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if !IsUnwritable(err) {
		if !fault.Is(err, fault.Unavailable) && fault.Code(err) != "KKH3208" { // that it is damaged
			return err
		}
		err = unwritable(err)
	}
	l.health(ctx, err)
	return err
}

// withheld is the entry that explains an intent without an answer.
func withheld(e Entry, reason string) Entry {
	return Entry{
		Kind: Withheld, Lookup: e.Lookup, Act: e.Act, Actor: e.Actor, Case: e.Case,
		Procedure: e.Procedure, Reason: reason,
	}
}

func (l *Log) encode(e Entry) (*row, error) {
	salt := make([]byte, saltSize)
	if _, err := rand.Read(salt); err != nil {
		return nil, fmt.Errorf("salt an entry: %w", err)
	}
	return encode(e, l.now().UTC().Format(timeForm), salt)
}

// write hands an entry to the committer and waits until it is on the disk.
func (l *Log) write(ctx context.Context, e Entry) error {
	if store.InTx(ctx) {
		return fault.New(fault.Internal, "an entry was to be committed inside a transaction, where it would wait for ever").
			WithReason("nested")
	}
	r, err := l.encode(e)
	if err != nil {
		return err
	}
	w := &waiter{row: r, entry: e, ended: make(chan error, 1)}
	if err := l.intake.add(w); err != nil {
		return unwritable(err)
	}
	patience, cancel := context.WithTimeout(ctx, l.cfg.WriteTimeout)
	defer cancel()
	select {
	case err := <-w.ended:
		return err
	case <-patience.Done():
	}
	if !w.state.CompareAndSwap(waiting, abandoned) {
		return <-w.ended
	}
	if err := ctx.Err(); err != nil {
		return &fault.Error{Kind: fault.Unavailable, Reason: "cancelled", What: "the caller hung up before the record was written", Err: err}
	}
	return unwritable(fault.New(fault.Unavailable, "the database took too long").WithReason("timeout"))
}

// place gives rows their place in the record, inside tx, and sees to it that intents left
// standing by a commit whose reply was lost are explained.
func (l *Log) place(ctx context.Context, tx *store.Tx, rows []*row) error {
	if l.issuer != nil {
		return l.issue(ctx, tx, rows)
	}
	strays, err := l.seq.place(ctx, tx, rows)
	if err != nil {
		return err
	}
	tx.Done(func(committed bool) {
		if !committed {
			return
		}
		l.explainStrays(strays)
	})
	return nil
}

// issue is place where several transactions of this writer are open at once. That an
// entry stands of which the reply was lost is a fact, whatever becomes of tx.
func (l *Log) issue(ctx context.Context, tx *store.Tx, rows []*row) error {
	strays, err := l.issuer.place(ctx, tx, rows)
	l.explainStrays(strays)
	if fault.Code(err) == settledCode {
		l.expire(ctx)
	}
	return err
}

// explainStrays has it written of intents that nothing was asked for.
func (l *Log) explainStrays(strays []*row) {
	for _, r := range strays {
		if Kind(r.kind) == Intent {
			l.owe(Entry{Kind: Withheld, Lookup: r.lookup, Case: r.caseID, Actor: Actor{Staff: r.staff}, Reason: "intent_not_confirmed"})
		}
	}
}

// Digest gives the keyed digest of what stood in one field of a search.
func (l *Log) Digest(field, value string) string { return l.keys.digest(field, value) }

// Stats say how the record stands.
type Stats struct {
	Entries        int64         // committed, by their highest number
	Sealed         int64         // of these, sealed
	OldestUnsealed time.Duration // how long the oldest unsealed entry has waited; 0: none waits
	Unfit          int64         // entries that the sealer refused: their keyed hash does not fit
	Writable       bool          // whether the last attempt to write succeeded
	Sealing        bool          // whether the last attempt to seal, and to keep the checkpoint outside, succeeded
}

// Stats gives how the record stands now.
func (l *Log) Stats(ctx context.Context) (Stats, error) {
	s := Stats{Writable: l.writable.Load(), Sealing: !l.broken.Load(), Sealed: l.sealed.Load(), Unfit: l.unfit.Load()}
	var oldest string
	err := store.Read(ctx, l.db, func(ctx context.Context, tx *store.Tx) (err error) {
		if tx.Engine() == store.Postgres {
			s.Entries, s.Sealed, oldest, err = standing(ctx, tx)
			return err
		}
		if s.Entries, err = lastID(ctx, tx); err != nil {
			return err
		}
		err = tx.QueryRow(ctx, "SELECT e.at FROM audit_queue q JOIN audit_entry e ON e.id = q.entry ORDER BY q.entry LIMIT 1").Scan(&oldest)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return Stats{}, fmt.Errorf("read how the record stands: %w", err)
	}
	if at, err := time.Parse(timeForm, oldest); err == nil {
		s.OldestUnsealed = max(l.now().Sub(at), 0)
	}
	return s, nil
}

// tell writes one line for the operators. What it says is in the catalogue, by number.
func tell(ctx context.Context, level slog.Level, code string, err error) {
	attrs := []slog.Attr{slog.String("code", code)}
	if err != nil {
		attrs = append(attrs, slog.String("cause", fault.Find(err).Reason), slog.String("state", fault.KindOf(err).String()))
	}
	slog.LogAttrs(ctx, level, "record", attrs...) //nolint:sloglint // the process's log, which cmd sets before the record is opened
}
