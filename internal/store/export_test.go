package store

// ChannelForTest gives the name under which a topic of the schema is told.
func ChannelForTest(cfg Config, topic string) string {
	return (&bells{c: &cluster{cfg: cfg.withDefaults()}}).channel(topic)
}
