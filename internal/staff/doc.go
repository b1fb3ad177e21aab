// Package staff says who is asking and what they may see.
//
// [Verifier] turns a bearer token (RFC 9068) into a [Member]: a person with a staff number
// or a client system. [Rules] are the configuration's grants and procedures;
// [Rules.Authorize] is a pure table of procedure, role and item. The token says who
// somebody is; what they may do is said by the city's own grants, never by the token.
package staff
