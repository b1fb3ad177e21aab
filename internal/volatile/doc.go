// Package volatile keeps what may be lost: access tokens of neighbours, which requests are
// in flight, and wake-ups between gateways. Losing it costs speed, never truth, and nothing
// in it is personal.
//
// One process keeps it in memory. Several gateways share it by Redis, beside which memory
// always stands: where Redis is away, slow, flushed, full, a replica, or holds something
// else under a name of ours, memory answers alone. A dead Redis costs a gateway one timeout
// a second, not one a call. What goes to Redis is encrypted and bound to its
// name with a key that only the gateways have, since a token is a secret; what comes back
// and cannot be opened is as good as absent.
//
// A [Store] is made by [Open], which calls nobody; [Store.Run] carries wake-ups to and from
// the other gateways until its context ends; [Store.Close] ends the connections.
package volatile
