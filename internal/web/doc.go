// Package web is the gateway over HTTP: the API for case systems and other clients, and the
// console of the demo. Both are thin: they turn a token into a [staff.Member], a body into a
// request of package gateway, and what comes back into JSON or a page.
//
// Four rules hold for every answer:
//
//   - One function renders every error (problem.go): its status is decided by the kind of the
//     fault, its words come from the catalogue by message number, and it never repeats a
//     value that the caller sent.
//   - A token that is refused is recorded before it is refused. Where that cannot be
//     recorded, the answer says so instead.
//   - An identifier of a person stands in a body, never in a URL.
//   - What is logged, traced and measured of a request is a fixed list: route pattern, method,
//     status, time, trace. Of what a caller can choose only the trace ID of a valid traceparent
//     (32 hexadecimal digits) is among it, so that a caller's trace goes on here. This is why
//     the instrumentation is our own few lines instead of otelhttp, which notes path, agent and
//     the Host header.
//
// Bodies are read strictly: an unknown or repeated member, another type and text that is not
// UTF-8 are refused, names are told apart by case. Queries are read likewise and hold codes
// alone. A change of the ledger bears an Idempotency-Key, on the console's forms too, so that
// pressing twice changes once.
//
// A page that looks again by itself names no person, since a look at one is recorded; and a
// page that confirms something has a first button that goes back, which is what Enter presses.
package web
