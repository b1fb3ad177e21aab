package sandbox

import (
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
)

// bodyLimit is the most that a request may send.
const bodyLimit = 64 << 10

// provider is the stand-in of one neighbour.
type provider struct {
	city      *City
	name      string
	resources []resource
	garbled   atomic.Uint64 // answers that were garbage
}

func (c *City) provider(name string) *provider {
	return &provider{city: c, name: name, resources: resourcesOf(name)}
}

// ServeHTTP answers the token endpoint, introspection and the provider's resources, and
// refuses all else.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case tokenPath:
		p.token(w, r)
	case introspectPath:
		p.introspect(w, r)
	default:
		p.call(w, r)
	}
}

// call answers a call of a resource.
func (p *provider) call(w http.ResponseWriter, r *http.Request) {
	name, inside := strings.CutPrefix(r.URL.Path, basePath)
	i := slices.IndexFunc(p.resources, func(res resource) bool { return res.name == name })
	if !inside || i < 0 {
		p.refused(r, "unknown", "404")
		writeProblem(w, http.StatusNotFound, basePath, problem{
			Title: "リソースエラー", Detail: detailWrong,
			Errors: []wrong{{codeCharacters, "【リソース名】は【公開されているリソース名】で設定してください。"}},
		})
		return
	}
	res := p.resources[i]
	if r.Method != http.MethodPost {
		p.refused(r, res.name, "405")
		status405(w, selfOf(res.name))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	if err != nil {
		p.unreadable(w, r, res, err)
		return
	}
	now := p.city.keeper.get()
	if kind := now.kindAt(p.name, res.system); kind != "" && p.misbehave(w, r, kind) {
		return
	}
	p.answer(w, r, res, body)
}

// answer checks token, scope and items, in this order, and answers.
func (p *provider) answer(w http.ResponseWriter, r *http.Request, res resource, body []byte) {
	self := selfOf(res.name)
	g, ok := p.bearer(r, res)
	if !ok {
		p.refused(r, res.name, "401")
		w.Header().Set("WWW-Authenticate", "Bearer")
		writeProblem(w, http.StatusUnauthorized, self, problem{Title: "認証エラー", Detail: detailToken})
		return
	}
	if !g.has(res.scope) {
		p.forbidden(w, r, res)
		return
	}
	problems := form(r)
	var v values
	if len(problems) == 0 {
		v, problems = check(body, res.items)
	}
	if len(problems) == 0 && res.relate != nil {
		problems = res.relate(v)
	}
	if len(problems) > 0 {
		p.refused(r, res.name, problems[0].Code)
		writeProblem(w, http.StatusBadRequest, self, problem{Title: res.title, Detail: detailWrong, Errors: problems})
		return
	}
	if res.needs != nil {
		if scope := res.needs(v); scope != "" && !g.has(scope) {
			p.forbidden(w, r, res)
			return
		}
	}
	writeJSON(w, http.StatusOK, answer{
		Metadata: about{Title: res.title, Detail: "正常に終了しました。"},
		Links:    links{Self: link{Href: self}},
		Result:   res.answer(p.city.town(), v, momentOf(p.city.opt.Now())),
	})
}

// form checks what a request must be besides its body: nothing in the URL, JSON.
func form(r *http.Request) []wrong {
	var problems []wrong
	if r.URL.RawQuery != "" {
		problems = append(problems, wrong{codeCharacters, "【URL】は【リソース名だけ】で設定してください。"})
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		problems = append(problems, wrong{codeCharacters, "【Content-Type】は【application/json】で設定してください。"})
	}
	return problems
}

// unreadable refuses a body that is too long or broke off.
func (p *provider) unreadable(w http.ResponseWriter, r *http.Request, res resource, err error) {
	p.refused(r, res.name, codeLength)
	if _, long := errors.AsType[*http.MaxBytesError](err); !long {
		return // the caller went away
	}
	writeProblem(w, http.StatusBadRequest, selfOf(res.name), problem{
		Title: res.title, Detail: detailWrong, Errors: []wrong{{codeLength, "【リクエスト】は65536桁以内で設定してください。"}},
	})
}

// forbidden refuses a token without the scope.
func (p *provider) forbidden(w http.ResponseWriter, r *http.Request, res resource) {
	p.refused(r, res.name, "403")
	writeProblem(w, http.StatusForbidden, selfOf(res.name), problem{Title: "権限エラー", Detail: detailScope})
}

// refused tells the log that a request was refused, where and by which code, no more.
func (p *provider) refused(r *http.Request, resource, cause string) {
	p.city.opt.Logger.LogAttrs(r.Context(), slog.LevelWarn, "sandbox refused a request",
		slog.String("code", "KKH6101"), slog.String("target", p.name+"/"+resource), slog.String("cause", cause))
}
