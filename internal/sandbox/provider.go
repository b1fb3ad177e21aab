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
	"time"
)

// bodyLimit is the most that a request may send.
const bodyLimit = 64 << 10

// provider is the stand-in of one neighbour.
type provider struct {
	city      *City
	name      string
	resources []resource
	register  *register
	strikes   *strikes
	garbled   atomic.Uint64 // answers that were garbage
}

func (c *City) provider(name string, added *register, faults *strikes) *provider {
	return &provider{city: c, name: name, resources: resourcesOf(name), register: added, strikes: faults}
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

// call is a request of a resource whose body was read.
type call struct {
	resource
	body    []byte
	at      time.Time // when the provider's clock says it came
	expired bool      // the token is refused, whatever it is
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
	c := call{resource: res, body: body, at: p.city.opt.Now()}
	if kind := p.strikes.strike(now.faultAt(p.name, res.system)); kind != "" {
		p.misbehave(w, r, c, kind)
		return
	}
	p.answer(w, r, c)
}

// answer checks token, scope and items, in this order, and answers.
func (p *provider) answer(w http.ResponseWriter, r *http.Request, c call) {
	res, self := c.resource, selfOf(c.name)
	g, ok := p.bearer(r, res)
	if !ok || c.expired {
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
		v, problems = check(c.body, res.items)
	}
	if len(problems) == 0 && res.relate != nil {
		problems = res.relate(v)
	}
	if len(problems) == 0 && res.needs != nil {
		if scope := res.needs(v); scope != "" && !g.has(scope) {
			p.forbidden(w, r, res)
			return
		}
	}
	if res.kind != "" {
		p.receive(w, r, res, submission{items: v, problems: problems})
		return
	}
	if len(problems) > 0 {
		p.wrongRequest(w, r, res, problems)
		return
	}
	writeResult(w, res, res.answer(view{p.city.town(), p.register}, v, momentOf(c.at)))
}

// receive takes a write, right or wrong, and answers.
func (p *provider) receive(w http.ResponseWriter, r *http.Request, res resource, s submission) {
	state := p.city.keeper.get()
	s.system, s.resource, s.key, s.honour = p.name, res, r.Header.Get("Idempotency-Key"), state.Keys[p.name]
	s.at = p.city.opt.Now().In(jst).Truncate(time.Millisecond)
	result, problems, err := p.register.take(s)
	switch {
	case err != nil:
		writeProblem(w, http.StatusServiceUnavailable, selfOf(res.name), problemException())
	case len(problems) > 0:
		p.wrongRequest(w, r, res, problems)
	default:
		writeResult(w, res, []map[string]string{result})
	}
}

// writeResult answers with records, a slice that is not nil.
func writeResult(w http.ResponseWriter, res resource, records any) {
	writeJSON(w, http.StatusOK, answer{
		Metadata: about{Title: res.title, Detail: "正常に終了しました。"},
		Links:    links{Self: link{Href: selfOf(res.name)}},
		Result:   records,
	})
}

// wrongRequest refuses a request that does not keep to the rules.
func (p *provider) wrongRequest(w http.ResponseWriter, r *http.Request, res resource, problems []wrong) {
	p.refused(r, res.name, problems[0].Code)
	writeProblem(w, http.StatusBadRequest, selfOf(res.name), problem{Title: res.title, Detail: detailWrong, Errors: problems})
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
