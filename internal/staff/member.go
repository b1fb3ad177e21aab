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
	Notifier   Role = "notifier"    // 異動通知を送るシステム
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
	Watch        Verb = "watch"         // see how the gateway and its neighbours do, and what is owed to whom
	Apply        Verb = "apply"         // change the ledger
	Show         Verb = "show"          // see one beneficiary
	SearchLedger Verb = "search_ledger" // find a beneficiary
	Replay       Verb = "replay"        // have what was parked told after all
	Discard      Verb = "discard"       // leave untold what was parked
	Answer       Verb = "answer"        // say that what was parked did arrive
	Notify       Verb = "notify"        // bring a change notice
)

// The changes of the ledger that a procedure may allow.
const (
	Registration   = "registration"    // 認定
	MailingAddress = "mailing_address" // 送付先
)

// may is the table of verbs and roles.
func may(role Role, verb Verb) bool {
	switch verb {
	case Lookup, Find, Apply, Show, SearchLedger:
		return role == CaseWorker
	case OpenCase, CloseCase:
		return role == CaseSystem
	case Notify:
		return role == Notifier || role == CaseSystem
	case SearchRecord, ExportRecord:
		return role == Auditor
	case Probe:
		return role == Operator || role == Integrator
	case Replay, Discard, Answer:
		return role == Operator
	case Watch:
		return true // anybody to whom a role was granted
	default:
		return false
	}
}

// barred tells whether a role takes the verb away from whoever has it, whatever other
// roles were granted: a contractor (委託先) does not decide what neighbours are told.
func barred(role Role, verb Verb) bool {
	return role == Contractor && (verb == Replay || verb == Discard || verb == Answer)
}

// onBasis tells whether the verb concerns persons, so that it needs a procedure, a purpose
// of it, and a case or a reason for having none.
func onBasis(verb Verb) bool {
	switch verb {
	case Lookup, Find, Apply, Show, SearchLedger:
		return true
	default:
		return false
	}
}
