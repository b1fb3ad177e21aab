package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/web"
	"kakehashi/internal/wire"
	"kakehashi/outbox"
)

// states gives the breaker of every target.
func (s *set) states() []wire.BreakerState {
	return slices.Concat(s.residents.Breakers(), s.tax.Breakers(), s.address.Breakers())
}

func (s *set) breakers() []web.Breaker {
	var list []web.Breaker
	for _, b := range s.states() {
		list = append(list, web.Breaker{Target: b.Target, State: b.State.String(), Since: b.Since, NextProbe: b.NextProbe, Failures: b.Failures})
	}
	return list
}

// breakerStates gives the numbers of the gauge: 0 closed, 1 half-open, 2 open.
func (s *set) breakerStates() map[string]int64 {
	states := map[string]int64{}
	for _, b := range s.states() {
		states[b.Target] = int64(b.State)
	}
	return states
}

// ready says what must be well for a lookup to succeed.
func (s *set) ready(ctx context.Context) []web.Probe {
	stats, err := s.record.Stats(ctx)
	database := web.Probe{Name: "database", OK: err == nil}
	record := web.Probe{Name: "record", OK: err == nil && stats.Writable}
	if !database.OK {
		database.Code = cmp.Or(fault.Code(err), "KKH3204")
	}
	if !record.OK {
		record.Code = "KKH3101"
	}
	issuer := web.Probe{Name: "issuer", OK: s.keys.Held(ctx) == nil}
	if !issuer.OK {
		issuer.Code = "KKH1231"
	}
	sealing := web.Probe{Name: "sealing", Advisory: true, OK: err == nil && stats.Sealing && stats.Unfit == 0}
	switch {
	case sealing.OK:
	case stats.Unfit > 0:
		sealing.Code = "KKH3104"
	default:
		sealing.Code = "KKH3105"
	}
	probes := []web.Probe{database, record, issuer, sealing, s.delivering(ctx), s.noticing(ctx)}
	return append(probes, s.besides(ctx)...)
}

// noticing says whether change notices are followed.
func (s *set) noticing(ctx context.Context) web.Probe {
	p := web.Probe{Name: "inbox", Advisory: true}
	sum, err := s.inbox.Summary(ctx)
	switch {
	case err != nil:
		p.Code = "KKH3505"
	case sum.Parked > 0:
		p.Code = "KKH3501"
	case sum.Shut:
		p.Code = "KKH3502"
	default:
		p.OK = true
	}
	return p
}

// advice is how long the engines without which work goes on are asked: whoever decides by
// /readyz where to send lookups must not wait for them.
const advice = 500 * time.Millisecond

// besides says how the engines do without which lookups and changes go on: Redis and Kafka.
// One that the configuration does not name is not told of.
func (s *set) besides(ctx context.Context) (probes []web.Probe) {
	ctx, cancel := context.WithTimeout(ctx, advice)
	defer cancel()
	if s.cfg.Redis.URL != "" {
		p := web.Probe{Name: "redis", Advisory: true, OK: s.volatile.State(ctx).OK}
		if !p.OK {
			p.Code = "KKH3602"
		}
		probes = append(probes, p)
	}
	if s.publisher != nil {
		state := s.publisher.State(ctx)
		probes = append(probes, web.Probe{Name: "kafka", Advisory: true, OK: state.OK, Code: state.Code})
	}
	if s.consumer != nil {
		state := s.consumer.State()
		probes = append(probes, web.Probe{Name: "notices", Advisory: true, OK: state.OK, Code: state.Code})
	}
	return probes
}

// prove writes something to each engine beside the database and reads it back. The database
// is proved by the entry of the record that was written before.
func (s *set) prove(ctx context.Context) (proofs []web.Proof) {
	if s.cfg.Redis.URL != "" {
		state := s.volatile.State(ctx)
		p := web.Proof{Name: "redis", OK: state.OK, Took: state.Latency}
		if !p.OK {
			p.Code = "KKH3602"
		}
		proofs = append(proofs, p)
	}
	if s.publisher != nil {
		began := time.Now()
		err := s.publisher.Probe(ctx)
		// NotFound: there is no topic to try on, and all else is well.
		proofs = append(proofs, web.Proof{
			Name: "kafka", OK: err == nil || fault.Is(err, fault.NotFound), Code: fault.Code(err), Took: time.Since(began),
		})
	}
	return proofs
}

// delivering says whether every change goes its way. That one does not keeps nobody from
// looking anybody up, so it is advice: nothing is to stop silently.
func (s *set) delivering(ctx context.Context) web.Probe {
	p := web.Probe{Name: "outbox", Advisory: true}
	owed, err := s.outbox.Summary(ctx)
	shut := slices.ContainsFunc(owed.Destinations, func(d outbox.DestinationState) bool { return !d.Open })
	switch {
	case err != nil:
		p.Code = "KKH3307"
	case owed.Parked > 0:
		p.Code = "KKH3301"
	case shut:
		p.Code = "KKH3302"
	default:
		p.OK = true
	}
	return p
}
