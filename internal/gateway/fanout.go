package gateway

import (
	"context"
	"sync"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// ask asks the Shield and every permitted source at once, within the budget, and waits for
// all of them: each returns soon after its context ends. One dead source never hides the
// others.
func (l *lookup) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.g.cfg.Budget,
		fault.New(fault.Unavailable, "the lookup's budget is used up").WithReason("timeout"))
	defer cancel()
	var all sync.WaitGroup
	for i := range l.result.Sources {
		if l.result.Sources[i].Outcome == "" {
			all.Go(func() { l.askOne(ctx, &l.result.Sources[i]) })
		}
	}
	l.askShield(ctx) // on this goroutine: one fewer to start
	all.Wait()
}

func (l *lookup) askShield(ctx context.Context) {
	defer recovered(func(cause error) { l.protected, l.unread = nil, cause })
	p, err := l.g.shield.Protection(ctx, []ledger.AtenaNumber{l.request.Person})
	if err != nil {
		l.unread = err
		return
	}
	l.protected = p
}

func (l *lookup) askOne(ctx context.Context, r *SourceResult) {
	began := time.Now()
	fail := func(err error) {
		r.Persons = nil
		r.Outcome, r.Reason, r.Retry = meaning(err)
	}
	defer func() { r.At, r.took = l.g.now(), time.Since(began) }()
	defer recovered(fail)
	answer, err := l.g.source(r.Source).Lookup(ctx, ledger.Question{
		ID: l.result.ID, Person: l.request.Person, Items: permitted(r.Source, l.items),
		Basis: l.request.Basis, On: l.result.At,
	})
	if err == nil && !sound(answer, l.request.Person) {
		err = fault.New(fault.Internal, "source %s gave an answer that cannot be read", r.Source)
	}
	if err != nil {
		fail(err)
		return
	}
	r.Outcome, r.Reason, r.Since, r.Persons = answer.Outcome, answer.Reason, answer.Since, answer.Persons
}

// recovered turns a panic of an adapter into its fault, so that a neighbour's odd reply
// takes down neither the other answers nor the gateway.
func recovered(fail func(error)) {
	if cause := recover(); cause != nil {
		fail(fault.New(fault.Internal, "an adapter panicked").WithCode("KKH9002"))
	}
}

func (g *Gateway) source(s ledger.System) Source {
	for _, n := range g.sources {
		if n.System == s {
			return n.Source
		}
	}
	return nil
}
