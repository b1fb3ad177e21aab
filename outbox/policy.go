package outbox

import (
	"cmp"
	"strings"
	"time"

	"kakehashi/internal/fault"
)

// policy decides what becomes of a change after an attempt. It knows neither database nor
// network; draw gives a number from 0 to 1 for the jitter.
type policy struct {
	cfg  Config
	draw func() float64
}

// standing is what the policy knows of a row.
type standing struct {
	tries, fails int
	question     string
	answered     bool // somebody looked at the neighbour after the last attempt and replayed it by its name
	keys         bool // the neighbour promises that a key takes effect once
	asks         bool // the neighbour can be asked
}

// repeatable tells whether a change may be sent again whatever became of it: its neighbour
// promises that a repeat is harmless, and nobody is there to ask. Then no time need pass, and
// however often it is tried, nothing is left for a person to find out.
func (s standing) repeatable() bool { return s.keys && !s.asks }

// The outcomes of attempts, as the record and the table of attempts spell them.
const (
	endDelivered = "delivered"
	endAgain     = "again"
	endUnsure    = "unsure"
	endParked    = "parked"
	endRejected  = "rejected"
	endLost      = "lost"
	endLate      = "late"
)

// verdict is what becomes of a row.
type verdict struct {
	to           phase // empty: it is delivered
	due          time.Time
	outcome      string
	tries, fails int
	cause        string
	code         string
	detail       string
	question     string
	answered     bool
}

// backoff is how long to wait after so many failures in a row: doubled each time, capped,
// and between half and all of it, so that many who failed together do not come together.
func (p policy) backoff(fails int) time.Duration {
	d := p.cfg.RetryFirst
	for ; fails > 0 && d < p.cfg.RetryMax; fails-- {
		d *= 2
	}
	d = min(d, p.cfg.RetryMax)
	return d/2 + time.Duration(p.draw()*float64(d/2))
}

// later is when to try again after a failure that says when asking again is worth it.
func (p policy) later(now time.Time, fails int, err error) time.Time {
	due := now.Add(p.backoff(fails))
	retry := fault.Find(err).Retry
	if limit := now.Add(retryAfterMax); retry.After(limit) {
		retry = limit
	}
	if retry.After(due) {
		return retry
	}
	return due
}

// failure begins a verdict on what an error says.
func failure(s standing, err error) verdict {
	cause, detail := words(err)
	return verdict{
		outcome: endParked, to: parked, tries: s.tries, fails: s.fails, question: s.question, answered: s.answered,
		cause: cause, code: fault.Code(err), detail: detail,
	}
}

// prepared judges a letter that could not be made: nothing was sent.
func (p policy) prepared(s standing, err error, now time.Time) verdict {
	v := failure(s, err)
	if fault.Is(err, fault.Unavailable) {
		v.to, v.outcome, v.due, v.fails = toSend, endAgain, p.later(now, s.fails, err), s.fails+1
	}
	return v
}

// sent judges a delivery; nil: it took effect. The time in which a neighbour may still be
// working counts from when we gave up on its answer: a slow one has only begun by then.
func (p policy) sent(s standing, err error, now time.Time) verdict {
	if err == nil {
		return verdict{outcome: endDelivered}
	}
	v := failure(s, err)
	switch fault.KindOf(err) {
	case fault.Unavailable:
		v.to, v.outcome, v.due, v.fails = toSend, endAgain, p.later(now, s.fails, err), s.fails+1
	case fault.Unsure:
		v.to, v.outcome, v.due, v.fails = toAsk, endUnsure, now.Add(p.cfg.Settle), 0
		v.tries, v.question, v.answered = s.tries+1, QuestionArrived, false
		if s.repeatable() {
			v.to, v.due, v.fails, v.tries = toSend, p.later(now, s.fails, err), s.fails+1, s.tries
		}
	case fault.Rejected:
		v.outcome, v.cause = endRejected, CauseRejected
	case fault.Internal:
		v.question, v.answered = QuestionArrived, false // nobody thought about this end, so nobody knows
	case fault.Invalid, fault.Denied, fault.NotFound, fault.Conflict:
	}
	return v
}

// asked judges the answer to the question whether a change took effect; nil: it did.
func (p policy) asked(s standing, err error, now time.Time) verdict {
	if err == nil {
		return verdict{outcome: endDelivered}
	}
	v := failure(s, err)
	switch fault.KindOf(err) {
	case fault.Unavailable:
		v.to, v.outcome, v.due, v.fails = toAsk, endAgain, p.later(now, s.fails, err), s.fails+1
		return v
	case fault.NotFound:
		v.question, v.answered = "", false
		v.cause, v.detail, v.code = CauseNotArrived, "", ""
		return p.again(v, now)
	case fault.Unsure, fault.Rejected, fault.Internal, fault.Invalid, fault.Denied, fault.Conflict:
	}
	return p.unanswered(s, v, now)
}

// unanswered judges a change of which nobody can tell whether it arrived.
func (p policy) unanswered(s standing, v verdict, now time.Time) verdict {
	v.question, v.cause = QuestionArrived, CauseUnsure
	switch {
	case s.answered:
		v.question, v.answered = "", false
		return p.again(v, now)
	case s.keys:
		return p.again(v, now)
	}
	v.to, v.outcome, v.code = parked, endParked, cmp.Or(v.code, codeQuestion)
	return v
}

// unasked judges a change of which it is unknown whether it arrived, where the neighbour
// cannot be asked.
func (p policy) unasked(s standing, now time.Time) verdict {
	return p.unanswered(s, verdict{tries: s.tries, answered: s.answered}, now)
}

// again has a change sent again, unless that was tried too often.
func (p policy) again(v verdict, now time.Time) verdict {
	v.to, v.outcome, v.due, v.fails = toSend, endAgain, now, 0
	if v.tries >= p.cfg.Tries {
		v.to, v.outcome, v.cause, v.code = parked, endParked, CauseTries, codeTries
	}
	return v
}

// lost judges a row whose lease ended: whoever held it is gone. The neighbour's time counts
// from now, for a lease may have ended by a step of the clock alone.
func (p policy) lost(s standing, was phase, now time.Time) verdict {
	v := verdict{
		to: toAsk, outcome: endLost, tries: s.tries, cause: CauseLost, question: QuestionArrived,
		answered: s.answered, due: now,
	}
	if was == sending {
		v.tries, v.due, v.answered = s.tries+1, now.Add(p.cfg.Settle), false
		if s.repeatable() {
			v.to, v.due, v.tries = toSend, now, s.tries
		}
	}
	return v
}

// changedLetter judges a repeat that would not be the letter that may have arrived.
func (p policy) changedLetter(s standing) verdict {
	return verdict{
		to: parked, outcome: endParked, tries: s.tries, cause: CauseLetter, code: codeLetter, question: QuestionArrived,
		answered: s.answered,
	}
}

// refusedReceipt judges a change that was delivered and whose receipt the ledger refuses.
func (p policy) refusedReceipt(s standing, err error) verdict {
	v := failure(s, err)
	v.cause, v.question = CauseReceiver, ""
	if v.code == "" {
		v.code = codeReceiver
	}
	return v
}

// unsettled judges a change whose end cannot be written as it is, though the database can be
// written: an operator is to look at it.
func (p policy) unsettled(s standing, attempted bool) verdict {
	v := verdict{to: parked, outcome: endParked, tries: s.tries, cause: CauseInternal, code: codeUnsettled, question: s.question}
	if attempted {
		v.question = QuestionArrived
	}
	return v
}

// words gives the machine word for the cause of a failure, and the neighbour's codes in it.
func words(err error) (cause, detail string) {
	f := fault.Find(err)
	switch cause = f.Reason; {
	case isWord(cause):
	case f.Kind == fault.Unavailable:
		cause = CauseDown
	default:
		cause = f.Kind.String()
	}
	var codes []string
	for _, w := range strings.FieldsFunc(err.Error(), func(r rune) bool { return (r < '0' || r > '9') && (r < 'A' || r > 'Z') }) {
		if len(w) == 5 && w[0] == 'E' && strings.Trim(w[1:], "0123456789") == "" && len(codes) < 8 {
			codes = append(codes, w)
		}
	}
	return cause, strings.Join(codes, " ")
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

// mix divides what is claimed between the oldest that is due and the newest: of every four
// the newest have one, so that today's persons do not wait behind a day's backlog.
type mix struct{ turn int }

func (m *mix) split(n int) (oldest, newest int) {
	newest = (m.turn+n)/4 - m.turn/4
	m.turn = (m.turn + n) % 4
	return n - newest, newest
}
