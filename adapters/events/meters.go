package events

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"kakehashi/internal/fault"
)

// meters count what went out and came in. Nothing that they say names a person.
type meters struct {
	provider  metric.Meter
	published metric.Int64Counter // by outcome
	taken     metric.Int64Counter // by outcome
	lost      metric.Int64Counter // deleted before we read them
	remade    metric.Int64Counter // readers that hung
}

func newMeters(p metric.MeterProvider) (meters, error) {
	if p == nil {
		p = noop.NewMeterProvider()
	}
	m := meters{provider: p.Meter("kakehashi/adapters/events")}
	var failed error
	counter := func(name, about string) metric.Int64Counter {
		c, err := m.provider.Int64Counter(name, metric.WithDescription(about))
		if err != nil {
			failed = fault.New(fault.Internal, "make a counter: %w", err).WithCode("KKH9021")
		}
		return c
	}
	m.published = counter("kakehashi_events_published", "events sent to Kafka, by how that ended")
	m.taken = counter("kakehashi_notices_taken", "notices read from Kafka, by how keeping them ended")
	m.lost = counter("kakehashi_notices_lost", "notices that Kafka deleted before they were read")
	m.remade = counter("kakehashi_notices_readers_remade", "readers that hung and were made anew")
	return m, failed
}

// outcome labels a count with how something ended: ok, or the fault's kind.
func outcome(err error) metric.AddOption {
	word := "ok"
	if err != nil {
		word = fault.KindOf(err).String()
	}
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", word)))
}

// watchLag has the lag of each partition and the age of the last notice read told.
func (m meters) watchLag(state func() ConsumerState) (metric.Registration, error) {
	lag, err := m.provider.Int64ObservableGauge("kakehashi_notices_lag", metric.WithDescription("notices that the group has not read yet"))
	if err != nil {
		return nil, fault.New(fault.Internal, "make a gauge: %w", err).WithCode("KKH9021")
	}
	return m.provider.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, p := range state().Partitions {
			o.ObserveInt64(lag, p.Lag, metric.WithAttributes(attribute.Int("partition", p.Partition)))
		}
		return nil
	}, lag)
}
