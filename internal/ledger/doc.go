// Package ledger is the language that all of Kakehashi speaks: persons, households,
// questions and answers, and the pure rules over them (突合, concealment, cutting).
//
// Nothing here reads a clock, a file or a network. Types bear no JSON tags: web and
// mapping each declare their own spelling.
package ledger
