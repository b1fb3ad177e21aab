// Package sandbox is a fictional city and the stand-ins of its neighbours: the resident
// registry, tax, the unified address system and an issuer of staff tokens, each a server
// of its own on the loopback, with faults on demand.
//
// # The city
//
// 架空市 in 架空県 has about 5,000 people in 1,900 households. Everything about them
// follows from a seed and a base date, the day on which the folder was made: the same
// two give the same people. Some seventy of them are personas ([Persona]), whose names
// occur nowhere else and whose tags say what is special about them. Whatever could be
// taken for somebody real cannot be: the municipality code belongs to no prefecture, the
// towns and postal codes do not exist, telephones begin with 000-0000 and individual
// numbers with 000; their check digits are valid. Twenty-four people
// share the name, kana and birth date of a sample form ([CrowdKana], [CrowdBirth]), so
// that a search that finds too many can be tried.
//
// # The stand-ins
//
// They speak the wire that the city defines for itself in the shape of the public
// standard (OAuth 2.0 client credentials with client_secret_jwt, one token a provider,
// POST only, romaji items, metadata, _links, result and errors). They are strict: a
// request with an item, a method or a resource that the text does not know is refused.
// They share no type with the adapters, so that both cannot be wrong together.
//
// # Writes
//
// The address system is written to: numbering of somebody who lives elsewhere, use of a
// person by a business, mailing addresses. It promises no more than the public
// specification: a request sent again is done again, whatever its Idempotency-Key, unless
// it is told to honour keys ([HonourKeys]); and a mailing address with an older 履歴番号
// replaces a newer one. [Received] lists what arrived, refused requests too.
//
// # Faults
//
// A fault concerns one system and ends by itself or when it is cleared ([Kinds]). A fault
// of residents concerns all of its resources, 支援措置 among them; protection concerns
// 支援措置 alone and goes first. All kinds but down and expired-token leave the token
// endpoint alone: the authorisation server of a neighbour is another machine. A fault may
// strike every Nth request alone ([Wish]); then even down leaves the port open and resets
// the connections that it strikes, and even expired-token refuses no others.
//
// Whether a request is worked on in spite of a fault matters for writes. It is with slow
// (before the waiting, so that a caller who gives up has had its effect), lost-reply,
// drip, bad-encoding, duplicate and wrong-clock. It is not with down, refuse, busy,
// garbage, huge, expired-token and half-open.
//
// # The folder
//
// city.json is written once: seed, base date, clients, the issuer's key. state.json is
// what changes: ports, faults, tokens given out (hashed); it is replaced as a whole
// before an answer leaves, so that killing the process loses nothing. writes.jsonl gets a
// line for each write before that is answered and before its effect shows; it is not
// flushed to the medium, so that what a power cut takes may have been answered for. lock
// is held by the process that serves the folder. Nothing in the folder holds its path.
package sandbox
