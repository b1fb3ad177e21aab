package sandbox

import (
	"fmt"
	"slices"
)

// StaffMember is somebody of the city's staff to whom the issuer gives tokens.
type StaffMember struct {
	Staff      string // 職員番号; empty for a system, which signs in as a client
	Role       string // whom the configuration grants which rights is told by this word
	Department string // 所属
	Client     string // for a system alone
}

// The roles. The case system is no person: it opens and closes cases.
const (
	RoleCaseWorker = "case-worker"
	RoleOperator   = "operator"
	RoleAuditor    = "auditor"
	RoleIntegrator = "integrator"
	RoleContractor = "contractor"
	RoleDisclosure = "disclosure"
	RoleApprover   = "approver"
	RoleCaseSystem = "case-system"
)

// department is where everybody works who handles cases.
const department = "子育て支援課"

// Staff gives everybody to whom the issuer gives tokens, one of each role.
func Staff() []StaffMember {
	return []StaffMember{
		{Staff: "1001", Role: RoleCaseWorker, Department: department},
		{Staff: "2001", Role: RoleOperator, Department: department},
		{Staff: "3001", Role: RoleAuditor, Department: department},
		{Staff: "4001", Role: RoleIntegrator, Department: department},
		{Staff: "5001", Role: RoleContractor, Department: department},
		{Staff: "6001", Role: RoleDisclosure, Department: department},
		{Staff: "7001", Role: RoleApprover, Department: department},
		{Role: RoleCaseSystem, Client: RoleCaseSystem},
	}
}

// member gives the member of staff whom a request names: by number, by role, or by
// neither, which is the case worker. Both must agree.
func (r TokenRequest) member() (StaffMember, error) {
	if r.Role == "" && r.Staff == "" {
		r.Role = RoleCaseWorker
	}
	all := Staff()
	i := slices.IndexFunc(all, func(m StaffMember) bool {
		return (r.Role == "" || m.Role == r.Role) && (r.Staff == "" || m.Staff == r.Staff)
	})
	if i < 0 {
		return StaffMember{}, fmt.Errorf("give a token: %w: no member of staff has this role or number", ErrUnknown)
	}
	return all[i], nil
}
