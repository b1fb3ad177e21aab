package staff

import (
	"slices"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// Rules are the city's own word on who may do what. They are data; [Rules.Authorize] reads
// no clock and no database. Safe for concurrent use: nothing changes after NewRules.
type Rules struct {
	acr        []string
	grants     []Grant
	procedures []Procedure
	zone       *time.Location
}

// NewRules makes the rules of a configuration. Dates are days in zone.
func NewRules(cfg Config, procedures []Procedure, zone *time.Location) Rules {
	return Rules{acr: cfg.RequiredACR, grants: cfg.Grants, procedures: procedures, zone: zone}
}

// Act is what somebody wants to do, whom it concerns and why.
type Act struct {
	Verb    Verb
	Basis   ledger.Basis
	Case    *ledger.Case // the fact behind Basis.Case; nil: no such case
	Persons []ledger.AtenaNumber
	Change  string // of Apply: which change, [Registration] or [MailingAddress]
	At      time.Time
}

// Procedures gives the procedures that are in force at the time.
func (r Rules) Procedures(at time.Time) []Procedure {
	var valid []Procedure
	for _, p := range r.procedures {
		if inForce(p.From, p.To, at.In(r.zone)) {
			valid = append(valid, p)
		}
	}
	return valid
}

// LegalBasis gives the legal ground of the procedure in force at the time, or "".
func (r Rules) LegalBasis(id ledger.ProcedureID, at time.Time) string {
	if p, ok := r.procedure(id, at); ok {
		return p.LegalBasis
	}
	return ""
}

// Known gives the parts of a basis that the configuration knows: a procedure in force, a
// purpose of it, a reason that it allows. Anything else is empty, so that what somebody
// typed in the place of a code is never recorded. The case is not judged here and empty.
func (r Rules) Known(verb Verb, b ledger.Basis, at time.Time) ledger.Basis {
	if verb == SearchRecord || verb == ExportRecord {
		if hasCode(ReadingPurposes(), b.Purpose) {
			return ledger.Basis{Purpose: b.Purpose}
		}
		return ledger.Basis{}
	}
	p, ok := r.procedure(b.Procedure, at)
	if !ok {
		return ledger.Basis{}
	}
	known := ledger.Basis{Procedure: b.Procedure}
	if hasCode(p.Purposes, b.Purpose) {
		known.Purpose = b.Purpose
	}
	if hasCode(p.WithoutCase, b.Reason) {
		known.Reason = b.Reason
	}
	return known
}

// ReadingPurposes are the purposes for which the record is read (assessment III.8, IV): they
// are the same in every city and no procedure's.
func ReadingPurposes() []Code {
	return []Code{
		{Code: "self-inspection", Name: "自己点検"}, {Code: "internal-audit", Name: "内部監査"},
		{Code: "disclosure", Name: "開示請求"}, {Code: "inquiry", Name: "問合せへの対応"},
	}
}

// Roles gives the roles that the grants give the member at the time.
func (r Rules) Roles(who Member, at time.Time) []Role {
	var roles []Role
	for _, g := range r.grants {
		same := g.Staff != "" && g.Staff == who.Staff || g.Client != "" && who.Staff == "" && g.Client == who.Client
		if same && inForce(g.From, g.To, at.In(r.zone)) {
			roles = append(roles, Role(g.Role))
		}
	}
	return roles
}

// RoleFor gives the role in which the member does what the verb says: one that forbids it,
// else the first that allows it, else the first of all, else "".
func (r Rules) RoleFor(who Member, verb Verb, at time.Time) Role {
	roles := r.Roles(who, at)
	for _, role := range roles {
		if barred(role, verb) {
			return role
		}
	}
	for _, role := range roles {
		if may(role, verb) {
			return role
		}
	}
	if len(roles) == 0 {
		return ""
	}
	return roles[0]
}

// NoCase tells whether the verb was to be done on a basis without a case (案件なし), which is
// marked for self-inspection. A Show on no basis at all shows nobody.
func NoCase(verb Verb, b ledger.Basis) bool {
	return onBasis(verb) && b.Case == "" && (verb != Show || b != ledger.Basis{})
}

// Authorize tells which items the member may see for the act. For a Lookup and a Find that
// is never an empty list without an error. A Show on no basis at all needs the role alone
// and gives no item. An error is Denied, with a message number that says what to do.
func (r Rules) Authorize(who Member, a Act) ([]ledger.Item, error) {
	roles, err := r.admit(who, a)
	if err != nil {
		return nil, err
	}
	if reading := a.Verb == SearchRecord || a.Verb == ExportRecord; reading && a.Basis.Purpose != "" && !hasCode(ReadingPurposes(), a.Basis.Purpose) {
		return nil, denied("KKH1216", "purpose_missing", "the purpose is not one for which the record is read")
	}
	if !onBasis(a.Verb) || a.Verb == Show && a.Basis == (ledger.Basis{}) {
		return nil, nil
	}
	p, ok := r.procedure(a.Basis.Procedure, a.At)
	if !ok {
		return nil, denied("KKH1214", "procedure_unknown", "the procedure does not exist or is not in force")
	}
	if !hasCode(p.Purposes, a.Basis.Purpose) {
		return nil, denied("KKH1216", "purpose_missing", "the purpose is not one of the procedure")
	}
	if err := concerns(p, a); err != nil {
		return nil, err
	}
	if a.Verb == Apply && !slices.Contains(p.Changes, a.Change) {
		return nil, denied("KKH1224", "change_not_allowed", "the procedure does not allow this change")
	}
	items := itemsOf(p, roles, a.Verb)
	if len(items) == 0 && (a.Verb == Lookup || a.Verb == Find) {
		return nil, denied("KKH1223", "no_items", "the procedure may see nothing of this")
	}
	return items, nil
}

// itemsOf gives what the procedure lets the roles see that allow the verb.
func itemsOf(p Procedure, roles []Role, verb Verb) []ledger.Item {
	var items []ledger.Item
	for _, item := range ledger.Items() {
		if slices.ContainsFunc(p.Rights, func(right Right) bool {
			return slices.Contains(right.Items, string(item)) &&
				slices.ContainsFunc(roles, func(role Role) bool { return slices.Contains(right.Roles, string(role)) && may(role, verb) })
		}) {
			items = append(items, item)
		}
	}
	return items
}

// admit checks the way of authentication and that a role allows the verb.
func (r Rules) admit(who Member, a Act) ([]Role, error) {
	if len(r.acr) > 0 && who.Staff != "" && !slices.Contains(r.acr, who.Authentication) {
		return nil, denied("KKH1212", "weak_authentication", "the way of authentication is not accepted")
	}
	roles := r.Roles(who, a.At)
	if len(roles) == 0 {
		return nil, denied("KKH1211", "no_grant", "nobody granted this member a role")
	}
	if slices.ContainsFunc(roles, func(role Role) bool { return barred(role, a.Verb) }) {
		return nil, denied("KKH1225", "role", "a contractor may not do this, whatever other roles were granted")
	}
	if !slices.ContainsFunc(roles, func(role Role) bool { return may(role, a.Verb) }) {
		return nil, denied("KKH1213", "role", "the role does not include this")
	}
	return roles, nil
}

// concerns checks that there is a case that fits, or a permitted reason for having none.
func concerns(p Procedure, a Act) error {
	if a.Basis.Case == "" {
		switch {
		case a.Basis.Reason == "":
			return denied("KKH1217", "case_missing", "neither a case nor a reason was given")
		case !hasCode(p.WithoutCase, a.Basis.Reason):
			return denied("KKH1222", "reason_unknown", "the procedure does not allow this reason for asking without a case")
		}
		return nil
	}
	if a.Case == nil {
		return denied("KKH1218", "case_unknown", "the case does not exist")
	}
	if !a.Case.Open {
		return denied("KKH1219", "case_closed", "the case is closed")
	}
	if a.Case.Procedure != a.Basis.Procedure {
		return denied("KKH1221", "case_other_procedure", "the case is of another procedure")
	}
	for _, person := range a.Persons {
		if !a.Case.Concerns(person) {
			return denied("KKH1220", "case_other_person", "the case does not concern this person")
		}
	}
	return nil
}

func (r Rules) procedure(id ledger.ProcedureID, at time.Time) (Procedure, bool) {
	for _, p := range r.procedures {
		if p.ID == string(id) && inForce(p.From, p.To, at.In(r.zone)) {
			return p, true
		}
	}
	return Procedure{}, false
}

func hasCode(codes []Code, code string) bool {
	return slices.ContainsFunc(codes, func(c Code) bool { return c.Code == code })
}

// inForce tells whether the day of t lies between two ISO dates; an empty one is open.
func inForce(from, to string, t time.Time) bool {
	day := t.Format(time.DateOnly)
	return (from == "" || from <= day) && (to == "" || day <= to)
}

func denied(code, reason, text string) error {
	return fault.New(fault.Denied, "%s", text).WithCode(code).WithReason(reason)
}
