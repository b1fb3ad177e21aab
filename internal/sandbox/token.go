package sandbox

import (
	"fmt"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

// TokenRequest says whom a staff token is for.
type TokenRequest struct {
	Role  string     // one of the roles; empty with an empty Staff: the case worker
	Staff string     // 職員番号; empty: the one of the role
	Case  *CaseClaim // signed into the token; nil: none
}

// CaseClaim is a case that the case system signs into a token.
type CaseClaim struct {
	ID        string   `json:"id"`
	Procedure string   `json:"procedure"`
	Persons   []string `json:"persons"` // 宛名番号
}

// tokenLife is how long a staff token is good for.
const tokenLife = time.Hour

// Authentication is how a member of staff was authenticated (acr): by card and vein.
const Authentication = "card+vein"

// staffClient is the client through which staff sign in.
const staffClient = "kakehashi-console"

// Token gives a staff token of the city in a folder, signed with the key that lies there:
// nothing needs to run. [ErrUnknown] where nobody has the role or number.
func Token(dir string, r TokenRequest) (string, error) {
	c, err := load(dir, Options{}.withDefaults())
	if err != nil {
		return "", fmt.Errorf("give a token: %w", err)
	}
	return c.Token(r)
}

// Token gives a staff token, a JWT access token by RFC 9068, good for an hour.
func (c *City) Token(r TokenRequest) (string, error) {
	m, err := r.member()
	if err != nil {
		return "", err
	}
	now := c.opt.Now().Truncate(time.Second)
	b := jwt.NewBuilder().Issuer(c.url(issuerServer)).Audience([]string{c.Audience()}).
		JwtID(secret(22)).IssuedAt(now).Expiration(now.Add(tokenLife))
	if m.Staff == "" {
		b = b.Subject(m.Client).Claim("client_id", m.Client)
	} else {
		b = b.Subject("staff-"+m.Staff).Claim("client_id", staffClient).
			Claim("auth_time", now.Unix()).Claim("acr", Authentication).
			Claim("staff_number", m.Staff).Claim("department", m.Department).Claim("terminal", "T-"+m.Staff)
	}
	if r.Case != nil {
		b = b.Claim("case", r.Case)
	}
	token, err := b.Build()
	if err != nil {
		return "", fmt.Errorf("write a staff token: %w", err)
	}
	headers := jws.NewHeaders()
	if err := headers.Set(jws.TypeKey, "at+jwt"); err != nil {
		return "", fmt.Errorf("write a staff token: %w", err)
	}
	key, err := c.signingKey()
	if err != nil {
		return "", err
	}
	signed, err := jwt.Sign(token, jwt.WithKey(jwa.ES256(), key, jws.WithProtectedHeaders(headers)))
	if err != nil {
		return "", fmt.Errorf("sign a staff token: %w", err)
	}
	return string(signed), nil
}

// signingKey gives the issuer's key with its ID, the thumbprint of RFC 7638.
func (c *City) signingKey() (jwk.Key, error) {
	key, err := jwk.Import(c.key)
	if err != nil {
		return nil, fmt.Errorf("read the issuer's key: %w", err)
	}
	if err := jwk.AssignKeyID(key); err != nil {
		return nil, fmt.Errorf("name the issuer's key: %w", err)
	}
	if err := key.Set(jwk.AlgorithmKey, jwa.ES256()); err != nil {
		return nil, fmt.Errorf("read the issuer's key: %w", err)
	}
	if err := key.Set(jwk.KeyUsageKey, "sig"); err != nil {
		return nil, fmt.Errorf("read the issuer's key: %w", err)
	}
	return key, nil
}
