// Package inbox keeps change notices (異動通知) from the city's own systems until each has
// taken effect, once: a notice says that something happened to a person, and the person is
// asked about anew.
//
// # How a notice comes
//
// [Box.Take] keeps an event in one transaction. Its name, a keyed hash of the event's source
// and id, is unique in the table, so an event that comes twice, through whatever gateway and
// at whatever time, is kept once. An event that cannot be read is parked with its bytes,
// encrypted: it never stands in the way of the next one.
//
// # The states of a notice
//
//	due ──claim──▶ working ──effect and settling, one transaction──▶ settled
//	 ▲ ▲              │ no answer: due, later
//	 │ └──────────────┤
//	 │                ├─ too often without an answer: waiting, for the next run
//	 │                └─ it will never do: parked
//	 ├── replay ── waiting, parked, discarded ◀── discard
//	 └── after a day, or when the neighbour is back ── waiting
//
// What is due of one person is claimed together, in the order in which it came, by one
// gateway at a time, and settled by one question ([Refresher]): a question asked now answers
// every notice that came before it. A notice that comes while the person is asked about
// stays due. The attempt's number is the fencing token: an effect whose notices have gone on
// since is taken back whole. Whoever dies in between leaves a lease behind that runs out.
//
// # What is standard here and what is not
//
// CloudEvents 1.0 and its HTTP and Kafka bindings are public specifications. That systems
// of a city tell one another of changes is the national standard's (庁内データ連携); the
// type of the event and its data are the fictional city's, and stand in mapping/notices.go,
// behind [Rooms].Read, for a city to replace.
//
// # Where things stand
//
// policy.go decides and knows neither database nor network; take.go, claim.go,
// settle.go and press.go are the transactions; run.go what runs between them; list.go and
// summary.go what is shown; body.go how a notice is kept.
package inbox
