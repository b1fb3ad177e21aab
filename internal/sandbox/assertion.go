package sandbox

import (
	"net/url"
	"slices"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

// assertionType is client_secret_jwt's and private_key_jwt's; the key tells them apart.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// An assertion may be good for five minutes, and clocks may differ a little.
const (
	assertionLife = 5 * time.Minute
	clockSkew     = 5 * time.Second
)

// assertion is a client's proof of who it is (client_secret_jwt, RFC 7523).
type assertion struct {
	client client
	digest string // of its jti, by provider and client
	until  time.Time
	now    time.Time
}

// authenticate checks everything about an assertion but whether it was used before.
func (p *provider) authenticate(form url.Values) (assertion, error) {
	signed := []byte(form.Get("client_assertion"))
	if form.Get("client_assertion_type") != assertionType {
		return assertion{}, errAssertion
	}
	claimed, err := jwt.ParseInsecure(signed)
	if err != nil {
		return assertion{}, errAssertion
	}
	id, _ := claimed.Issuer()
	known, ok := p.city.clientOf(p.name, id)
	if !ok || (form.Has("client_id") && form.Get("client_id") != id) {
		return assertion{}, errAssertion
	}
	// The key is of HS256, so that a signature by anything else, or none, does not verify.
	proved, err := jwt.Parse(signed, jwt.WithKey(jwa.HS256(), []byte(known.Secret)), jwt.WithValidate(false))
	if err != nil {
		return assertion{}, errAssertion
	}
	a := assertion{client: known, now: p.city.opt.Now()}
	jti, ok := fits(proved, known.ID, p.city.url(p.name)+tokenPath, a.now)
	if !ok {
		return assertion{}, errAssertion
	}
	a.until, _ = proved.Expiration()
	a.digest = digest(p.name, known.ID, jti)
	return a, nil
}

// fits checks the claims and gives the jti: issuer and subject are the client, the
// audience is the token endpoint alone, and it expires within five minutes.
func fits(t jwt.Token, id, audience string, now time.Time) (jti string, ok bool) {
	subject, _ := t.Subject()
	audiences, _ := t.Audience()
	issued, hasIssued := t.IssuedAt()
	expires, hasExpires := t.Expiration()
	jti, _ = t.JwtID()
	return jti, subject == id && slices.Equal(audiences, []string{audience}) && jti != "" &&
		hasIssued && !issued.After(now.Add(clockSkew)) &&
		hasExpires && expires.After(now) && !expires.After(now.Add(assertionLife+clockSkew))
}
