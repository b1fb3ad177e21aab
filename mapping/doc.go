// Package mapping translates between the ledger's words and those of the systems around
// it: a file a system, pure, with no clock, no network and no defaults. What it does not
// know is an error, never a guess.
//
// A neighbour's item names are romaji as the public standard spells them (API74):
// tsuzukigara_kodo stays tsuzukigara_kodo. Each record declares the items that are read;
// a reply may hold others, since neighbours add items, but must hold all of these. The
// layouts of the real systems are not public; these are the fictional city's, in the
// standard's shape. The values of the real code lists (続柄, 異動事由, 住民状態, 課税区分)
// are not public either: the embedded tables are the fictional city's, with letters so that
// nobody takes them for the real ones, and a city replaces each from a file (LoadTables).
//
// A reply that cannot be read is fault.Unavailable with the reason "unreadable", a code
// that its table lacks "unknown_code". Texts of errors name the system, the item and the
// place in the reply, never a value.
//
// The check digits and the forms of numbers and dates are here as well (Check).
package mapping
