package staff

import "kakehashi/internal/ledger"

// Member is who is asking: a member of staff, or a client system that acts for none.
type Member struct {
	Staff          string       // 職員番号; empty for a client system
	Department     string       // 所属
	Terminal       string       // 端末
	Authentication string       // how the person was authenticated (acr of the token)
	Client         string       // client_id of the system that brought the token
	Case           *ledger.Case // signed in the token by the case system; nil: none
}

// Role is what a grant makes of a member.
type Role string

// The roles (experience.md, S0-S8).
const (
	CaseWorker Role = "case-worker" // 担当者
	Operator   Role = "operator"    // 運用者
	Auditor    Role = "auditor"     // 監査者
	CaseSystem Role = "case-system" // 案件システム
	Integrator Role = "integrator"  // 連携管理者
	Contractor Role = "contractor"  // 委託先
	Disclosure Role = "disclosure"  // 開示担当
	Approver   Role = "approver"    // 承認者
)

// Verb is what somebody wants to do.
type Verb string

// The verbs.
const (
	Lookup       Verb = "lookup"
	Find         Verb = "find"
	OpenCase     Verb = "open_case"
	CloseCase    Verb = "close_case"
	SearchRecord Verb = "search_record"
	ExportRecord Verb = "export_record"
	Probe        Verb = "probe"
	Watch        Verb = "watch" // see how the gateway and its neighbours do
)

// may is the table of verbs and roles.
func may(role Role, verb Verb) bool {
	switch verb {
	case Lookup, Find:
		return role == CaseWorker
	case OpenCase, CloseCase:
		return role == CaseSystem
	case SearchRecord, ExportRecord:
		return role == Auditor
	case Probe:
		return role == Operator || role == Integrator
	case Watch:
		return true // anybody to whom a role was granted
	default:
		return false
	}
}
