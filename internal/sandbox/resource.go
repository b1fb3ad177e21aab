package sandbox

import (
	"net/http"
	"time"
)

// resource is one resource of a provider.
type resource struct {
	name, title string
	system      string // whose faults it has besides its provider's
	scope       string
	items       []item
	relate      func(values) []wrong                  // what items demand of one another; nil: nothing
	needs       func(values) string                   // a further scope that these items need, or ""; nil: none
	answer      func(in view, v values, m moment) any // a slice of records, never nil; nil: a write
	kind        string                                // of a write; "": a read
}

// moment is when a resource answers.
type moment struct {
	now   time.Time
	night time.Time // last night's copy of the data
}

// momentOf gives the moment of answering: systems that are fed by night hold the data of 3:00.
func momentOf(now time.Time) moment {
	now = now.In(jst).Truncate(time.Second)
	night := time.Date(now.Year(), now.Month(), now.Day(), 3, 0, 0, 0, jst)
	if night.After(now) {
		night = night.AddDate(0, 0, -1)
	}
	return moment{now: now, night: night}
}

// scopeOf gives the scope of a resource that is read by the grammar of the standard.
func scopeOf(business, name string) string { return business + ":app_submit/v10/" + name + ":Read" }

// createScopeOf gives the scope of a resource that is written.
func createScopeOf(business, name string) string {
	return business + ":app_submit/v10/" + name + ":Create"
}

// The further scopes of the address system.
const (
	scopeIndividual = "032:app_submit/v10/atenakensaku_kojinbango:Read"
	scopeNumbers    = "032:app_submit/v10/atenabangoshokai:Read"
)

// resourcesOf gives the resources of a provider.
func resourcesOf(provider string) []resource {
	switch provider {
	case Residents:
		return residentsResources()
	case Tax:
		return taxResources()
	case Address:
		return addressResources()
	default:
		return nil
	}
}

// grantedScopes gives the scopes that a provider grants the gateway: all but those that
// have to do with 個人番号.
func grantedScopes(provider string) []string {
	var scopes []string
	for _, r := range resourcesOf(provider) {
		if r.scope != scopeNumbers {
			scopes = append(scopes, r.scope)
		}
	}
	return scopes
}

// atenabango is the item that names one person.
func atenabango() item {
	return item{key: "atenabango", label: "宛名番号", rule: alphanumeric(), length: 15, required: true}
}

// atenabangos is the item that names several.
func atenabangos(most int) item {
	it := atenabango()
	it.most = most
	return it
}

// flag spells a yes or no.
func flag(yes bool) string {
	if yes {
		return "1"
	}
	return "0"
}

// stamp spells a moment of the data.
func stamp(t time.Time) string { return t.Format(time.RFC3339) }

// status405 refuses a method other than POST.
func status405(w http.ResponseWriter, path string) {
	w.Header().Set("Allow", http.MethodPost)
	writeProblem(w, http.StatusMethodNotAllowed, path, problem{Title: "メソッドエラー", Detail: detailWrong})
}
