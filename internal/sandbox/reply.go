package sandbox

import (
	"encoding/json"
	"net/http"
)

// basePath is where the resources of a provider are.
const basePath = "/app_submit/v10/"

// The bodies of a provider, as the public standard shapes them.
type (
	about struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	link struct {
		Href string `json:"href"`
	}
	links struct {
		Self link `json:"self"`
	}
	answer struct {
		Metadata about `json:"metadata"`
		Links    links `json:"_links"`
		Result   any   `json:"result"` // a slice, never nil
	}
	problem struct {
		Title  string  `json:"title"`
		Detail string  `json:"detail"`
		Links  links   `json:"_links"`
		Errors []wrong `json:"errors,omitempty"`
	}
	wrong struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
)

// The error codes of the standard.
const (
	codeRequired    = "E0001"
	codeCharacters  = "E0002"
	codeLength      = "E0003"
	codeCorrelation = "E0004"
)

// Fixed texts of the standard.
const (
	detailWrong     = "エラーが発生しました。"
	detailToken     = "アクセストークンが無効です。"
	detailScope     = "この操作の権限がありません。"
	detailException = "想定外のエラーが発生しました。"
)

// writeJSON writes v with the content type of the standard. A reader who went away is not
// an error of ours.
func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}

// writeProblem writes an error body for a path.
func writeProblem(w http.ResponseWriter, status int, path string, p problem) {
	p.Links = links{Self: link{Href: path}}
	writeJSON(w, status, p)
}

// selfOf gives the path of a resource.
func selfOf(resource string) string { return basePath + resource }
