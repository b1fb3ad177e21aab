// Package events is the gateway's side of Kafka: it tells other systems that something in
// the ledger changed, and hears from the city's own systems (庁内連携) that something changed
// there.
//
// Out: a [Publisher] is a destination of the outbox. An event says that something changed,
// never what: its type, the change's ID and an opaque subject, a keyed hash of the person's
// 宛名番号, which is also the message's key. Whoever may know more asks the gateway with
// their own rights. The assessment declares no 移転 of data, so each consumer is named in
// the configuration with its legal basis, and where none is named nothing is published
// ([Config.Publishes]). A repeat of a change is the same event, byte for byte: who reads
// drops what it has seen by ce_source and ce_id, so a duplicate is harmless.
//
// In: a [Consumer] hands each message of the topic of notices to a function that keeps it,
// and commits it only then, in order. What it cannot read it hands on as well, marked: a
// message that nobody understands is kept too and never stands in the way of the next.
//
// Both speak CloudEvents 1.0 (the binary mode out, both modes in); asyncapi.yaml describes
// the two topics. The client is kafka-go, whose settings here are those that were measured
// not to lose, to reorder or to hang; each bears its reason where it is set.
package events
