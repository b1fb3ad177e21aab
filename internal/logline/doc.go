// Package logline writes the operations log: one event, one line, at most 511 bytes, for
// monitors that make an event of a line and cut what is longer (JP1/Base does at 511).
//
//	2026-11-22T03:00:12.345+09:00 KKH2104-E target=tax ms=1003 相手先が時間内に応答しません。 trace=4bf9…
//
// A log call gives a message number, as its message or as the attribute "code". The words
// beside it come from the catalogue (package manual), never from the call, so that a line
// says the same whoever wrote it. What else a call gives is let through by name: only the
// keys listed in [Handler] appear, only as short machine words, numbers and times, so that
// no careless call can put a name, an address or an identifying number into the log. What
// is kept back is counted.
package logline
