package gateway

import (
	"context"
	"strconv"
	"strings"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/inbox"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
)

// NoticePage is what is in the inbox: how much in all, and a page of the notices.
type NoticePage struct {
	Summed  bool // whether Summary is there: on the first page alone
	Summary inbox.Summary
	Notices []inbox.Item
	Next    string // where the next page begins; empty: nowhere
}

// Notices says what is in the inbox, which everybody with a role may see: nothing in it is
// about a person. Errors: Invalid where the filter has not its shape, Denied.
func (g *Gateway) Notices(ctx context.Context, who staff.Member, f inbox.Filter) (p NoticePage, err error) {
	p.Summed = f.Cursor == ""
	if err := g.Watch(ctx, who); err != nil || g.inbox == nil {
		return p, err
	}
	if p.Notices, p.Next, err = g.inbox.List(ctx, f); err != nil {
		return NoticePage{}, err
	}
	if p.Summed {
		if p.Summary, err = g.inbox.Summary(ctx); err != nil {
			return NoticePage{}, err
		}
	}
	return p, nil
}

// NoticeRequest is what an operator does to notices.
type NoticeRequest struct {
	Filter inbox.Filter
	Reason string // 1 to 200 characters, without a number of a person
	DryRun bool   // only say what would be done
	Count  int    // how many the operator expects; 0: not typed
}

// ReplayNotices makes due again what is parked or waits, and reads anew what could not be
// read. A dry run says what it would do, and does nothing. It does at most 1,000 at once: the
// plan says how many are left. Errors: Invalid, Denied, Conflict where another number was
// expected (KKH1323), NotFound where there is no inbox (KKH1330).
func (g *Gateway) ReplayNotices(ctx context.Context, who staff.Member, r NoticeRequest) (inbox.Plan, error) {
	return g.pressNotices(ctx, who, staff.Replay, r, func(ctx context.Context, tx *store.Tx) (inbox.Plan, error) {
		return g.inbox.Replay(ctx, tx, r.Filter)
	})
}

// DiscardNotices marks what is parked or waits as not to be followed (対応不要). Errors are
// those of ReplayNotices.
func (g *Gateway) DiscardNotices(ctx context.Context, who staff.Member, r NoticeRequest) (inbox.Plan, error) {
	return g.pressNotices(ctx, who, staff.Discard, r, func(ctx context.Context, tx *store.Tx) (inbox.Plan, error) {
		return g.inbox.Discard(ctx, tx, r.Filter, inbox.Mark{By: by(who), At: g.now(), Reason: r.Reason})
	})
}

func (g *Gateway) pressNotices(ctx context.Context, who staff.Member, verb staff.Verb, r NoticeRequest,
	press func(context.Context, *store.Tx) (inbox.Plan, error),
) (plan inbox.Plan, err error) {
	if g.inbox == nil {
		return plan, noInbox()
	}
	if r.DryRun {
		return g.planNotices(ctx, who, verb, press)
	}
	if err := validReason(r.Reason); err != nil {
		return plan, err
	}
	err = g.operate(ctx, who, verb, func(ctx context.Context, tx *store.Tx, e *audit.Entry) error {
		if plan, err = press(ctx, tx); err != nil {
			return err
		}
		for name, value := range map[string]string{
			"of": "inbox", "reason": r.Reason, "state": string(r.Filter.State), "cause": r.Filter.Cause, "source": r.Filter.Source,
		} {
			note(e, name, value)
		}
		if len(r.Filter.Names) > 0 {
			note(e, "ids", strconv.Itoa(len(r.Filter.Names)))
		}
		note(e, "notices", strings.Join(plan.Names[:min(len(plan.Names), changesOfAnEntry)], " "))
		e.Count = plan.Can
		if r.Count != 0 && r.Count != plan.Total {
			return fault.New(fault.Conflict, "%d were expected and %d are meant", r.Count, plan.Total).WithCode("KKH1323").WithReason("count")
		}
		return nil
	})
	return plan, err
}

// planNotices does what a press does and takes it back.
func (g *Gateway) planNotices(ctx context.Context, who staff.Member, verb staff.Verb,
	press func(context.Context, *store.Tx) (inbox.Plan, error),
) (plan inbox.Plan, err error) {
	if err := g.admitOperator(ctx, who, verb); err != nil {
		return plan, err
	}
	dry := fault.New(fault.Conflict, "a dry run").WithReason("dry_run")
	err = store.WithTx(ctx, g.db, func(ctx context.Context, tx *store.Tx) error {
		if plan, err = press(ctx, tx); err != nil {
			return err
		}
		return dry
	})
	if fault.Is(err, fault.Conflict) && fault.Find(err).Reason == "dry_run" {
		return plan, nil
	}
	return inbox.Plan{}, err
}

// TakeNotice keeps a change notice that a system of the city brings through the API. Errors:
// Denied; Invalid where it has neither source nor id (KKH3520); NotFound where there is no
// inbox; Unavailable. What it says is no error: what cannot be read is kept as parked.
func (g *Gateway) TakeNotice(ctx context.Context, who staff.Member, m inbox.Message) (inbox.Taken, error) {
	if err := g.admitOperator(ctx, who, staff.Notify); err != nil {
		return inbox.Taken{}, err
	}
	if g.inbox == nil {
		return inbox.Taken{}, noInbox()
	}
	if m.Source == "" || m.ID == "" || m.Type == "" {
		return inbox.Taken{}, fault.New(fault.Invalid, "an event lacks its source, id or type").WithCode("KKH3520").WithReason(inbox.CauseNoEvent)
	}
	m.By = by(who)
	return g.inbox.Take(ctx, m)
}

func noInbox() error {
	return fault.New(fault.NotFound, "there is no inbox here").WithCode("KKH1330").WithReason("no_inbox")
}
