package outbox

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// Plan says what a replay or a discard does, or would do.
type Plan struct {
	ID     string    // of a replay, R- and 26 letters and digits; empty: of a dry run or a discard
	At     time.Time // when the set was frozen
	Can    int
	Cannot int
	Why    []Reason // why those cannot, in the order of words
	Items  []PlanItem

	Touched []ledger.ChangeID // of a discard, its undoing, or a replay of named changes: all of them, oldest first
}

// Reason counts the changes that cannot for one reason.
type Reason struct {
	Word  string
	Count int
}

// PlanItem is one change of a plan; a plan lists the first 200.
type PlanItem struct {
	Change      ledger.ChangeID
	Destination string
	Can         bool
	Why         string // the word of a Reason; empty where it can
}

// The words of reasons.
const (
	whyBehind     = "waits_behind"     // an earlier change of its record is to be dealt with first
	whyFlight     = "in_flight"        // it is on its way, or one of its record is
	whyNotParked  = "not_parked"       // it goes on by itself
	whySent       = "sent"             // it was sent already, and is not parked
	whyNotFound   = "not_found"        // there is no such change
	whyLater      = "later_delivered"  // a later change of its record was delivered
	whyKept       = "not_discarded"    // there is nothing to undo
	whyAnew       = "owed_anew"        // what it tells is owed by a later change, or was told by one
	whyElsewhere  = "moved_on"         // it has gone on since the replay began
	whyNeeded     = "others_wait"      // changes that are not owed yet wait for what it brings back
	whyByName     = "question_by_name" // unknown whether it arrived, and its neighbour cannot be asked: it is sent only where somebody looked and names it
	shownOfAPlan  = 200
	mostDiscarded = 1000
)

const (
	fromOwed  = ` FROM outbox_change c JOIN outbox_owed o ON o.seq = c.seq`
	isUnsure  = `CASE WHEN o.question <> '' AND o.receipt IS NULL THEN 1 ELSE 0 END`
	planOwed  = `SELECT c.seq AS seq, c.change_id, c.destination, c.record, c.kind, o.phase, o.waits, o.number, ` + isUnsure + `, '' AS state` + fromOwed
	planPast  = `SELECT c.seq, c.change_id, c.destination, c.record, c.kind, c.phase, 0, c.number, 0, c.state FROM outbox_history c`
	countHead = `SELECT o.phase, o.waits, CASE WHEN o.number = 0 THEN 0 ELSE 1 END, o.destination, ` + isUnsure
	countOwed = countHead + `, '', '', count(*)` + fromOwed
	// countEach counts numberings by record too: others may wait for one of them.
	countEach = countHead + `, c.kind,
		CASE WHEN c.kind = '` + string(ledger.Numbering) + `' THEN c.record ELSE '' END, count(*)` + fromOwed
)

// planned is a row as a plan looks at it.
type planned struct {
	seq         int64
	change      ledger.ChangeID
	destination string
	record      string
	kind        ledger.ChangeKind
	at          phase
	waits       bool
	number      int64
	unsure      bool  // it may have arrived
	past        State // empty: it is owed
}

// why gives the word for what stands against a row; empty: nothing.
type why func(planned) string

// against is what is asked of each row of a plan.
type against struct {
	why
	each bool // it looks at the kind of a change and, of a numbering, at the record
}

// Needed are the records whose numbering brings back what changes wait for that are not
// owed yet.
type Needed map[ledger.BeneficiaryID]bool

// Anew are changes that tell nothing any more: what they tell was owed anew by a later one.
type Anew map[ledger.ChangeID]bool

func whyNoReplay(p planned) string {
	switch {
	case p.past != "":
		return string(p.past)
	case p.at == parked:
		return ""
	case p.waits:
		return whyBehind
	case p.at == toSend || p.at == toReceive:
		return whyNotParked
	}
	return whyFlight
}

// againstReplay is for changes that were named; others are not sent where they may have
// arrived and there is no telling.
func (q *Queue) againstReplay(named bool) against {
	return against{why: func(p planned) string {
		word := whyNoReplay(p)
		if word == "" && p.unsure && !named && q.mute(p.destination) {
			return whyByName
		}
		return word
	}}
}

// mute tells whether a destination can neither be asked whether a change arrived nor told it
// twice.
func (q *Queue) mute(destination string) bool {
	for _, r := range q.rooms.Routes {
		if _, asks := r.To.(Confirmer); r.Destination == destination {
			return !asks && !r.Keys
		}
	}
	return true
}

// againstDiscard is for changes that were named; others are discarded only where parked.
func againstDiscard(named bool, needed Needed) against {
	alone := func(p planned) string {
		switch {
		case p.past == "" && named && p.at == toSend && p.number == 0:
			return ""
		case p.past == "" && p.at == toSend && p.number > 0:
			return whySent
		}
		return whyNoReplay(p)
	}
	return against{each: true, why: func(p planned) string {
		word := alone(p)
		if word == "" && p.kind == ledger.Numbering && needed[ledger.BeneficiaryID(p.record)] {
			return whyNeeded
		}
		return word
	}}
}

// sum builds a plan of rows, and of the changes named that are none of them.
func (p *Plan) sum(rows []planned, ids []ledger.ChangeID, against why) {
	found := map[ledger.ChangeID]bool{}
	counts := map[string]int{}
	add := func(item PlanItem) {
		if item.Can = item.Why == ""; item.Can {
			p.Can++
		} else {
			p.Cannot++
			counts[item.Why]++
		}
		if len(p.Items) < shownOfAPlan {
			p.Items = append(p.Items, item)
		}
	}
	for _, row := range rows {
		found[row.change] = true
		add(PlanItem{Change: row.change, Destination: row.destination, Why: against(row)})
	}
	for _, id := range ids {
		if !found[id] {
			add(PlanItem{Change: id, Why: whyNotFound})
		}
	}
	p.Why = reasons(counts)
}

func reasons(counts map[string]int) []Reason {
	var list []Reason
	for word, n := range counts {
		list = append(list, Reason{word, n})
	}
	slices.SortFunc(list, func(a, b Reason) int { return cmp.Compare(a.Word, b.Word) })
	return list
}

// plannedRows gives the rows that a filter means, oldest first, at most limit; of the past
// only where changes are named.
func plannedRows(ctx context.Context, tx *store.Tx, f Filter, only string, limit int) ([]planned, error) {
	var c clauses
	f.common(&c, "o", namedChanges)
	condition, owed := f.State.phases()
	for _, s := range []string{condition, only} {
		if s != "" {
			c.add(s)
		}
	}
	if !owed {
		c.add("1 = 0")
	}
	query := planOwed + c.where()
	if len(f.IDs) > 0 && only == "" {
		c.parts = nil
		f.common(&c, "c", textsOf(tx.Engine()).named)
		if f.State != "" {
			c.add("c.state = %", string(f.State))
		}
		query += " UNION ALL " + planPast + c.where()
	}
	c.args = append(c.args, limit)
	return readPlanned(tx.Query(ctx, query+" ORDER BY seq LIMIT $"+strconv.Itoa(len(c.args)), c.args...))
}

func readPlanned(rows *store.Rows, err error) ([]planned, error) {
	if err != nil {
		return nil, fmt.Errorf("read what is planned: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var list []planned
	for rows.Next() {
		var p planned
		if err := rows.Scan(&p.seq, &p.change, &p.destination, &p.record, &p.kind, &p.at, &p.waits, &p.number, &p.unsure, &p.past); err != nil {
			return nil, fmt.Errorf("read what is planned: %w", err)
		}
		list = append(list, p)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read what is planned: %w", err)
	}
	return list, nil
}

// plan looks at what a filter means. Where changes are named it looks at each; otherwise it
// counts by kinds of standing, since a backlog may be long, and lists the first.
func plan(ctx context.Context, tx *store.Tx, f Filter, at time.Time, a against) (Plan, error) {
	p := Plan{At: at}
	if err := f.check(); err != nil {
		return p, err
	}
	if len(f.IDs) > 0 {
		rows, err := plannedRows(ctx, tx, f, "", 2*maxPage*16)
		if err != nil {
			return p, err
		}
		p.sum(rows, f.IDs, a.why)
		return p, nil
	}
	first, err := plannedRows(ctx, tx, f, "o.phase = 'parked'", shownOfAPlan)
	if err != nil {
		return p, err
	}
	if len(first) < shownOfAPlan {
		others, err := plannedRows(ctx, tx, f, "o.phase <> 'parked'", shownOfAPlan-len(first))
		if err != nil {
			return p, err
		}
		first = append(first, others...)
	}
	p.sum(first, nil, a.why)
	p.Can, p.Cannot, p.Why = 0, 0, nil
	return p, p.count(ctx, tx, f, a)
}

// count counts what a filter means by how it stands.
func (p *Plan) count(ctx context.Context, tx *store.Tx, f Filter, a against) error {
	var c clauses
	f.common(&c, "o", namedChanges)
	condition, owed := f.State.phases()
	if condition != "" {
		c.add(condition)
	}
	if !owed {
		c.add("1 = 0")
	}
	query := countOwed
	if a.each {
		query = countEach
	}
	rows, err := tx.Query(ctx, query+c.where()+" GROUP BY 1, 2, 3, 4, 5, 6, 7", c.args...)
	if err != nil {
		return fmt.Errorf("count what is planned: %w", err)
	}
	defer func() { _ = rows.Close() }()
	counts := map[string]int{}
	for rows.Next() {
		var row planned
		var n int
		if err := rows.Scan(&row.at, &row.waits, &row.number, &row.destination, &row.unsure, &row.kind, &row.record, &n); err != nil {
			return fmt.Errorf("count what is planned: %w", err)
		}
		if word := a.why(row); word != "" {
			p.Cannot += n
			counts[word] += n
		} else {
			p.Can += n
		}
	}
	p.Why = reasons(counts)
	return rows.Err()
}
