package main

import (
	"cmp"
	"context"

	"kakehashi/adapters/events"
	"kakehashi/config"
)

// demoEngines puts the engines that a demo was asked to run on into its configuration. The
// one consumer of its events is as fictional as its city.
func demoEngines(f *config.File, on demoOptions) *config.File {
	if on.database != "" {
		f.Database.URL = on.database
	}
	f.Database.Schema = cmp.Or(on.schema, f.Database.Schema)
	f.Redis.URL = on.redis
	if len(on.kafka) == 0 {
		return f
	}
	f.Kafka.Brokers = on.kafka
	f.Events.Consumers = []events.Subscriber{{
		Name: "学校保健システム（架空）", LegalBasis: "架空市個人番号の利用等に関する条例第4条（架空）", From: "2026-04-01",
	}}
	f.Events.Notices.Enabled = true
	return f
}

// demoTopics makes the topics that the demo's Kafka lacks: a city's own are its operators' to
// make, with as many copies as they want.
func demoTopics(ctx context.Context, f *config.File) error {
	if len(f.Kafka.Brokers) == 0 {
		return nil
	}
	return events.CreateTopics(ctx, f.Kafka, f.Events)
}
