// Package manual is what Kakehashi says about itself in Japanese: the catalogue of message
// numbers, and the pages for staff, operators and auditors.
//
// The catalogue is the one place where a message number has its words. The command line,
// the pages, problem details and the log all take them from here, so that KKH2104 means
// the same wherever somebody meets it. Each number has a severity, the sentence itself,
// and cause, effect and remedy. A test holds the catalogue against the numbers that stand
// in the code, in both directions.
//
// Numbers are KKH and four digits: 01 configuration and arguments, 11 lookups and cases,
// 12 staff and rights, 13 the ledger, 21 and 22 neighbours (asked, and told), 31 the record,
// 32 the database, 33 the outbox, 41 the API, 51 the program, 61 the fictional city, 90 our
// own mistakes. A number that was ever released keeps its meaning.
package manual
