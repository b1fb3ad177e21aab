package web

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
)

// recordLimit is how many entries a page of the record has unless told, and at most.
const (
	recordLimit   = 50
	recordLimitAt = 200
)

// exportTime bounds an export; the server's own write timeout is for answers of one piece.
const exportTime = 30 * time.Minute

// exportBody is the body of POST /v1/record/export, and what it shares with a search.
type exportBody struct {
	From        *timeBody `json:"from"`
	To          *timeBody `json:"to"`
	LookupID    string    `json:"lookup_id"`
	Staff       string    `json:"staff"`
	AtenaNumber string    `json:"atena_number"`
	Case        string    `json:"case"`
	Kind        string    `json:"kind"`
	WithoutCase bool      `json:"without_case"`
	Purpose     string    `json:"purpose"`
}

// recordBody is the body of POST /v1/record/search.
type recordBody struct {
	exportBody `json:",inline"`
	Limit      *int   `json:"limit"`
	Cursor     string `json:"cursor"`
}

// timeBody is a moment in a body, RFC 3339.
type timeBody struct{ time.Time }

// UnmarshalText reads it.
func (t *timeBody) UnmarshalText(text []byte) error {
	at, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return wrongForm(memberTime)
	}
	t.Time = at
	return nil
}

// request makes of the body what the gateway is asked.
func (b exportBody) request() (gateway.RecordRequest, error) {
	if b.AtenaNumber != "" && !ledger.AtenaNumber(b.AtenaNumber).Valid() {
		return gateway.RecordRequest{}, unfit("/atena_number", memberType)
	}
	r := gateway.RecordRequest{Basis: ledger.Basis{Purpose: b.Purpose}, Filter: audit.Filter{
		Lookup: b.LookupID, Staff: b.Staff, Person: b.AtenaNumber, Case: b.Case,
		Kind: audit.Kind(b.Kind), WithoutCase: b.WithoutCase,
	}}
	if b.From != nil {
		r.Filter.From = b.From.Time
	}
	if b.To != nil {
		r.Filter.To = b.To.Time
	}
	return r, nil
}

// recordAnswer is a page of the record.
type recordAnswer struct {
	Entries []entryAnswer `json:"entries"`
	Next    string        `json:"next"`
}

// entryAnswer is one entry of the record.
type entryAnswer struct {
	Entry      string            `json:"entry"`
	At         string            `json:"at"`
	Kind       string            `json:"kind"`
	LookupID   string            `json:"lookup_id,omitempty"`
	Act        string            `json:"act,omitempty"`
	Actor      *actorAnswer      `json:"actor,omitempty"`
	Case       string            `json:"case,omitempty"`
	Procedure  string            `json:"procedure,omitempty"`
	LegalBasis string            `json:"legal_basis,omitempty"`
	Purpose    string            `json:"purpose,omitempty"`
	Reason     string            `json:"reason,omitempty"`
	Sources    []string          `json:"sources,omitempty"`
	Items      []string          `json:"items,omitempty"`
	Flags      []string          `json:"flags,omitempty"`
	Ends       []endAnswer       `json:"ends,omitempty"`
	Search     []digestAnswer    `json:"search,omitempty"`
	Subjects   []subjectAnswer   `json:"subjects,omitempty"`
	Code       string            `json:"code,omitempty"`
	Count      int               `json:"count,omitzero"`
	Address    string            `json:"address,omitempty"`
	Detail     map[string]string `json:"detail,omitempty"`
	Sealed     bool              `json:"sealed"`
}

type actorAnswer struct {
	Staff          string `json:"staff,omitempty"`
	Department     string `json:"department,omitempty"`
	Terminal       string `json:"terminal,omitempty"`
	Authentication string `json:"authentication,omitempty"`
	Role           string `json:"role,omitempty"`
	Client         string `json:"client,omitempty"`
}

type endAnswer struct {
	Source     string   `json:"source"`
	Outcome    string   `json:"outcome"`
	Reason     string   `json:"reason,omitempty"`
	Items      []string `json:"items,omitempty"`
	Suppressed []string `json:"suppressed,omitempty"`
	Millis     int64    `json:"millis,omitzero"`
}

type digestAnswer struct {
	Field  string `json:"field"`
	Digest string `json:"digest"`
}

type subjectAnswer struct {
	AtenaNumber string `json:"atena_number"`
	Role        string `json:"role"`
}

// searchRecord serves POST /v1/record/search.
func (x *exchange) searchRecord() error {
	var body recordBody
	if err := x.decode(&body); err != nil {
		return err
	}
	request, err := body.request()
	if err != nil {
		return err
	}
	request.Filter.Limit, request.Filter.Cursor = recordLimit, body.Cursor
	if body.Limit != nil {
		if *body.Limit < 1 || *body.Limit > recordLimitAt {
			return unfit("/limit", "1 から "+strconv.Itoa(recordLimitAt)+" までの数にしてください。")
		}
		request.Filter.Limit = *body.Limit
	}
	entries, next, err := x.web.rooms.Gateway.SearchRecord(x.r.Context(), x.who, request)
	if err != nil {
		return err
	}
	answer := recordAnswer{Next: next, Entries: make([]entryAnswer, len(entries))}
	for i, e := range entries {
		answer.Entries[i] = spellEntry(e)
	}
	return x.answer(http.StatusOK, answer)
}

// exportRecord serves POST /v1/record/export: JSON lines, as the record writes them. Where
// it cannot be finished the connection is cut, so that half is never taken for the whole.
func (x *exchange) exportRecord() error {
	var body exportBody
	if err := x.decode(&body); err != nil {
		return err
	}
	request, err := body.request()
	if err != nil {
		return err
	}
	record, err := x.web.rooms.Gateway.ExportRecord(x.r.Context(), x.who, request)
	if err != nil {
		return err
	}
	// Where the connection knows no deadlines, the server's own holds.
	_ = http.NewResponseController(x.w).SetWriteDeadline(x.web.now().Add(exportTime))
	ctx, cancel := context.WithTimeout(x.r.Context(), exportTime)
	defer cancel()
	h := x.w.Header()
	h.Set("Content-Type", "application/jsonl")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if err := record.Export(ctx, x.w, request.Filter); err != nil {
		return fault.New(fault.KindOf(err), "export the record: %w", err)
	}
	return nil
}

// proofBody is the body of POST /v1/record/proof.
type proofBody struct {
	LookupID string `json:"lookup_id"`
	Purpose  string `json:"purpose"`
}

// proveLookup serves POST /v1/record/proof: the proof in the record's own form, which audit
// check reads.
func (x *exchange) proveLookup() error {
	var body proofBody
	if err := x.decode(&body); err != nil {
		return err
	}
	proof, err := x.web.rooms.Gateway.ProveLookup(x.r.Context(), x.who, ledger.LookupID(body.LookupID), ledger.Basis{Purpose: body.Purpose})
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, proof)
}

func spellEntry(r audit.Record) entryAnswer {
	e := r.Entry
	a := entryAnswer{
		Entry: r.Name, At: moment(r.At), Kind: string(e.Kind),
		LookupID: e.Lookup, Act: e.Act, Case: e.Case, Procedure: e.Procedure, LegalBasis: e.LegalBasis,
		Purpose: e.Purpose, Reason: e.Reason, Sources: e.Sources, Items: e.Items, Flags: e.Flags,
		Code: e.Code, Count: e.Count, Address: e.Address, Detail: e.Detail, Sealed: r.Position >= 0,
	}
	if e.Actor != (audit.Actor{}) {
		who := actorAnswer(e.Actor)
		a.Actor = &who
	}
	for _, end := range e.Ends {
		a.Ends = append(a.Ends, endAnswer(end))
	}
	for _, d := range e.Search {
		a.Search = append(a.Search, digestAnswer(d))
	}
	for _, s := range e.Subjects {
		a.Subjects = append(a.Subjects, subjectAnswer{AtenaNumber: s.Atena, Role: s.Role})
	}
	return a
}
