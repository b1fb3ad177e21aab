package gateway

import (
	"context"
	"strconv"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
	"kakehashi/outbox"
)

// replaysListed is how many replays are listed, the newest first.
const replaysListed = 100

// ReplayRequest has what was parked told after all.
type ReplayRequest struct {
	Filter outbox.Filter
	Reason string // 1 to 200 characters, without a number of a person
	Count  int    // how many the operator expects; 0: not typed
}

// PlanReplay says what a replay of the filter would do, and does nothing.
func (g *Gateway) PlanReplay(ctx context.Context, who staff.Member, f outbox.Filter) (outbox.Plan, error) {
	if err := validOwed(f); err != nil {
		return outbox.Plan{}, err
	}
	if err := g.admitOperator(ctx, who, staff.Replay); err != nil || g.outbox == nil {
		return outbox.Plan{}, err
	}
	return g.outbox.Plan(ctx, f)
}

// Replay begins a replay of what is parked and fits the filter now: what is parked later is
// not touched. The record names the changes that were named; those of a
// condition bear the replay's name in the entries of their deliveries. Errors: Invalid,
// Denied, and Conflict where not as many can be replayed as the operator expects (KKH1323);
// each has changed nothing and left its entry.
func (g *Gateway) Replay(ctx context.Context, who staff.Member, r ReplayRequest) (plan outbox.Plan, err error) {
	if err := validOwed(r.Filter); err != nil {
		return plan, err
	}
	if err := validReason(r.Reason); err != nil {
		return plan, err
	}
	if err := g.admitOperator(ctx, who, staff.Replay); err != nil {
		return plan, err
	}
	var frozen outbox.Frozen
	if g.outbox != nil {
		if frozen, err = g.outbox.Freeze(ctx, r.Filter); err != nil {
			return plan, err
		}
	}
	err = g.operate(ctx, who, staff.Replay, func(ctx context.Context, tx *store.Tx, e *audit.Entry) error {
		noteFilter(e, "begin", r.Reason, r.Filter)
		plan, err = g.outbox.BeginReplay(ctx, tx, frozen, outbox.Mark{By: by(who), At: g.now(), Reason: r.Reason})
		if err != nil {
			return err
		}
		note(e, "replay", plan.ID)
		e.Count = plan.Can
		if err := expected(r.Count, plan); err != nil {
			return err
		}
		return g.noteChanges(ctx, tx, e, plan.Touched)
	})
	return plan, err
}

// expected is a Conflict where an operator typed another count than the plan has.
func expected(count int, plan outbox.Plan) error {
	if count != 0 && count != plan.Can {
		return fault.New(fault.Conflict, "%d were expected and %d can be done", count, plan.Can).WithCode("KKH1323").WithReason("count")
	}
	return nil
}

// ReplayState says how a replay goes on; NotFound: there is none of that name.
func (g *Gateway) ReplayState(ctx context.Context, who staff.Member, id string) (outbox.Replay, error) {
	if err := g.admitOperator(ctx, who, staff.Replay); err != nil {
		return outbox.Replay{}, err
	}
	if !opaque(id, "R-") || g.outbox == nil {
		return outbox.Replay{}, notOwed()
	}
	return g.outbox.ReplayState(ctx, id)
}

// Replays lists the replays, the newest first.
func (g *Gateway) Replays(ctx context.Context, who staff.Member) ([]outbox.Replay, error) {
	if err := g.admitOperator(ctx, who, staff.Replay); err != nil || g.outbox == nil {
		return nil, err
	}
	return g.outbox.Replays(ctx, replaysListed)
}

// StopReplay stops a replay without loss: what it has not armed yet stays parked.
func (g *Gateway) StopReplay(ctx context.Context, who staff.Member, id, reason string) error {
	return g.steer(ctx, who, steering{id: id, reason: reason, step: "stop"})
}

// ResumeReplay lets a replay that was stopped go on.
func (g *Gateway) ResumeReplay(ctx context.Context, who staff.Member, id, reason string) error {
	return g.steer(ctx, who, steering{id: id, reason: reason, step: "resume"})
}

// steering is a step of a replay that was begun.
type steering struct{ id, reason, step string }

func (g *Gateway) steer(ctx context.Context, who staff.Member, s steering) error {
	if err := validReason(s.reason); err != nil {
		return err
	}
	return g.operate(ctx, who, staff.Replay, func(ctx context.Context, tx *store.Tx, e *audit.Entry) error {
		noteFilter(e, s.step, s.reason, outbox.Filter{})
		if !opaque(s.id, "R-") {
			return notOwed()
		}
		note(e, "replay", s.id)
		if s.step == "stop" {
			return g.outbox.StopReplay(ctx, tx, s.id)
		}
		return g.outbox.ResumeReplay(ctx, tx, s.id)
	})
}

// admitOperator asks the rules; a refusal is recorded.
func (g *Gateway) admitOperator(ctx context.Context, who staff.Member, verb staff.Verb) error {
	act := staff.Act{Verb: verb, At: g.now()}
	e := g.entry(who, act)
	_, _, err := g.authorize(ctx, who, &act, &e)
	return err
}

// operate authorises, changes what is owed and records it in one transaction. What was
// refused has rolled back, and its entry is written by itself.
func (g *Gateway) operate(ctx context.Context, who staff.Member, verb staff.Verb,
	do func(context.Context, *store.Tx, *audit.Entry) error,
) error {
	act := staff.Act{Verb: verb, At: g.now()}
	begun := g.entry(who, act)
	if _, _, err := g.authorize(ctx, who, &act, &begun); err != nil {
		return err
	}
	if g.outbox == nil {
		return g.refuse(ctx, begun, notOwed())
	}
	e := begun
	err := g.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		e = anew(begun)
		if err := do(ctx, tx, &e); err != nil {
			return err
		}
		e.Kind = audit.Change
		return g.record.Append(ctx, tx, e)
	})
	if refusal(err) {
		return g.refuse(ctx, e, err)
	}
	return err
}

// noteFilter says in the record what an operator did to which changes, and why. Its words
// were checked: none of them can be a number of a person.
func noteFilter(e *audit.Entry, step, reason string, f outbox.Filter) {
	for name, value := range map[string]string{
		"step": step, "reason": reason, "destination": f.Destination, "state": string(f.State), "cause": f.Cause, "record": string(f.Record),
	} {
		note(e, name, value)
	}
	if len(f.IDs) > 0 {
		note(e, "ids", strconv.Itoa(len(f.IDs)))
	}
}
