// Package gateway is what staff do: Lookup, Find, Apply, Show, SearchLedger, OpenCase,
// CloseCase, Owed, Replay, Discard, SearchRecord.
//
// A lookup is two commits with one fan-out between them, and no way back but the return:
// authorise, commit who asks what and why, ask all sources and the Shield at once, cut the
// answers to what is permitted, conceal what locates a protected person, commit how it
// ended and who is in the answer, release. If either commit fails nothing is released, and
// there is no way around it.
//
// A change of the ledger is one commit: the command's ID, the beneficiary, what is owed to
// neighbours and the entry of the record, or none of it. What a neighbour gives back for a
// change (an assigned 宛名番号) comes in by Receive, in the transaction that settles it.
//
// A change notice (異動通知) of the city's own systems comes by TakeNotice or over Kafka into
// the inbox, which has Refresh ask about the person.
//
// Adapters satisfy the ports declared here without knowing of this package. What they say
// is an [ledger.Answer]; what kept them from knowing is a fault, and what a fault means to
// staff stands in one table (outcome.go). Only this package says unavailable, forbidden or
// suppressed, and only it stamps source and time.
package gateway

import (
	"context"
	"time"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/inbox"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
	"kakehashi/outbox"
)

// Source answers a question about one person. What it knows it says in the Answer: Found,
// NoPerson, NoRecord or Pending. What kept it from knowing is a fault. Calling it twice is
// safe. It returns soon after its context ends.
type Source interface {
	Lookup(context.Context, ledger.Question) (ledger.Answer, error)
}

// Finder gives at most limit candidates for a search, and Invalid when there are more.
// Calling it twice is safe.
type Finder interface {
	Find(ctx context.Context, s ledger.Search, limit int) ([]ledger.Candidate, error)
}

// Shield reads 支援措置, live: for each person and each member of that person's household
// whether one is protected. A person missing from the answer is unread. Calling it twice
// is safe; it caches nothing.
type Shield interface {
	Protection(context.Context, []ledger.AtenaNumber) (ledger.Protected, error)
}

// Config bounds a lookup.
type Config struct {
	Budget     time.Duration `config:"budget" default:"3s" doc:"1回の照会に使ってよい時間の合計"`
	Candidates int           `config:"candidates" default:"20" doc:"検索で示す候補の上限(1-20)"`

	// AtenaDigits is the length of the city's 宛名番号; 0: not known, then twelve digits are refused.
	AtenaDigits int `config:"atena_number_digits" default:"0" doc:"この市の宛名番号の桁数。0 は決まっていないという意味で、12桁（個人番号と紛らわしいもの）は受け付けません"`
}

// Validate tells what is wrong with the configuration; nil: nothing.
func (c Config) Validate() error {
	switch {
	case c.Budget < 100*time.Millisecond || c.Budget > time.Minute:
		return fault.New(fault.Invalid, "照会の時間は 100ms から 1m の間にしてください").WithCode("KKH0124").WithField("budget")
	case c.Candidates < 1 || c.Candidates > 20:
		return fault.New(fault.Invalid, "候補の上限は 1 から 20 の間にしてください").WithCode("KKH0124").WithField("candidates")
	case c.AtenaDigits < 0 || c.AtenaDigits > 15:
		return fault.New(fault.Invalid, "宛名番号の桁数は 0 から 15 の間にしてください").WithCode("KKH0124").WithField("atena_number_digits")
	}
	return nil
}

// Neighbour is a source under its name, in the order in which answers list them.
type Neighbour struct {
	System ledger.System
	Source Source
}

// Flights knows which presses of a button are being carried out, in this gateway and in the
// others: a second press waits for the first for a while before it goes on, so that it does
// not hold a connection to the database meanwhile. It decides nothing: that is the
// command's ID in the database.
type Flights interface {
	Begin(ctx context.Context, key string) (end func(), first bool)
}

// Rooms are what a gateway stands on.
type Rooms struct {
	DB      *store.DB
	Record  *audit.Log
	Rules   staff.Rules
	Sources []Neighbour
	Finder  Finder
	Shield  Shield
	Outbox  *outbox.Queue    // what is owed to whom; nil: nothing is owed to anybody
	Inbox   *inbox.Box       // change notices; nil: none come
	Flights Flights          // keeps a second press waiting for the first; nil: the database alone does
	Now     func() time.Time // the clock; nil: time.Now
}

// Gateway carries the verbs. Safe for concurrent use.
type Gateway struct {
	cfg     Config
	db      *store.DB
	record  *audit.Log
	rules   staff.Rules
	sources []Neighbour
	finder  Finder
	shield  Shield
	outbox  *outbox.Queue
	inbox   *inbox.Box
	flights Flights
	now     func() time.Time
}

// New makes a gateway of its rooms.
func New(cfg Config, r Rooms) *Gateway {
	g := &Gateway{
		cfg: cfg, db: r.DB, record: r.Record, rules: r.Rules,
		sources: r.Sources, finder: r.Finder, shield: r.Shield, outbox: r.Outbox, inbox: r.Inbox, flights: r.Flights, now: r.Now,
	}
	if g.now == nil {
		g.now = time.Now
	}
	return g
}

// Procedures gives the procedures in force now, for screens that let staff choose.
func (g *Gateway) Procedures() []staff.Procedure { return g.rules.Procedures(g.now()) }

// Systems gives the sources that can be asked, in the order of answers.
func (g *Gateway) Systems() []ledger.System {
	names := make([]ledger.System, len(g.sources))
	for i, n := range g.sources {
		names[i] = n.System
	}
	return names
}
