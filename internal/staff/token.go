package staff

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// tokenLimit bounds the length of a token; ours are below 2 KiB.
const tokenLimit = 16 << 10

// Verifier tells who brings a token: an access token by RFC 9068, signed by the issuer with
// an allowed algorithm, for this gateway, now. What was verified is remembered until it
// expires, at most until the keys are read again (a signature costs 26-67 µs). Safe for
// concurrent use.
type Verifier struct {
	cfg  Config
	keys *Keys
	now  func() time.Time

	mu    sync.Mutex
	known map[[sha256.Size]byte]verified
}

type verified struct {
	who  Member
	ends time.Time
}

// knownLimit bounds the memory of verified tokens; above it the memory starts anew.
const knownLimit = 10_000

// NewVerifier makes the verifier of the configuration over the issuer's keys.
func NewVerifier(cfg Config, keys *Keys) *Verifier {
	return &Verifier{cfg: cfg, keys: keys, now: time.Now, known: map[[sha256.Size]byte]verified{}}
}

// claims are the parts of a token that are read. The staff claims are the case system's
// assertion about the person (experience.md section 4, Identity).
type claims struct {
	Issuer     string    `json:"iss"`
	Subject    string    `json:"sub"`
	Audience   audience  `json:"aud"`
	Expires    float64   `json:"exp"`
	NotBefore  float64   `json:"nbf"`
	IssuedAt   float64   `json:"iat"`
	ID         string    `json:"jti"`
	Client     string    `json:"client_id"`
	ACR        string    `json:"acr"`
	Staff      string    `json:"staff_number"`
	Department string    `json:"department"`
	Terminal   string    `json:"terminal"`
	Case       *caseOpen `json:"case"`
}

type caseOpen struct {
	ID        string   `json:"id"`
	Procedure string   `json:"procedure"`
	Persons   []string `json:"persons"`
}

// audience is a string or an array of strings (RFC 7519, 4.1.3).
type audience []string

// UnmarshalJSON reads either form.
func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// Verify tells who brings the token. An error is Denied with the reason for which the token
// is refused (audience, issuer, algorithm, critical, type, signature, unknown_key, expired, not_yet,
// lifetime, malformed, identity), or Unavailable when the issuer's keys cannot be had.
func (v *Verifier) Verify(ctx context.Context, token string) (Member, error) {
	if token == "" {
		return Member{}, refused("missing", "no token was brought")
	}
	if len(token) > tokenLimit || strings.Count(token, ".") != 2 {
		return Member{}, refused("malformed", "the token has not the form of a signed token")
	}
	digest := sha256.Sum256([]byte(token))
	if who, ok := v.remembered(digest); ok {
		return who, nil
	}
	payload, err := v.open(ctx, token)
	if err != nil {
		return Member{}, err
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return Member{}, refused("malformed", "the token's claims cannot be read")
	}
	if err := v.check(c); err != nil {
		return Member{}, err
	}
	who := member(c)
	// Not beyond the next reading of the keys: a key that the issuer withdrew must not live on here.
	ends := v.now().Add(v.cfg.KeysRefresh)
	if expires := unix(c.Expires).Add(v.cfg.Leeway); expires.Before(ends) {
		ends = expires
	}
	v.remember(digest, verified{who: who, ends: ends})
	return who, nil
}

// open verifies the signature and gives the claims' bytes.
func (v *Verifier) open(ctx context.Context, token string) ([]byte, error) {
	message, err := jws.Parse([]byte(token), jws.WithCompact())
	if err != nil || len(message.Signatures()) != 1 {
		return nil, refused("malformed", "the token has not the form of a signed token")
	}
	header := message.Signatures()[0].ProtectedHeaders()
	if _, demands := header.Critical(); demands { // none is understood here (RFC 7515, 4.1.11)
		return nil, refused("critical", "the token demands an extension that is not understood")
	}
	alg, ok := header.Algorithm()
	if !ok || !slices.Contains(v.cfg.Algorithms, alg.String()) {
		return nil, refused("algorithm", "the token's algorithm is not accepted")
	}
	typ, _ := header.Type()
	if t := strings.ToLower(typ); t != "at+jwt" && t != "application/at+jwt" {
		return nil, refused("type", "the token is not an access token (RFC 9068, 2.1)")
	}
	id, ok := header.KeyID()
	if !ok {
		return nil, refused("unknown_key", "the token names no key")
	}
	key, err := v.keys.find(ctx, id)
	if err != nil {
		return nil, err
	}
	if !fits(key, alg) {
		return nil, refused("algorithm", "the token's algorithm does not fit its key")
	}
	payload, err := jws.Verify([]byte(token), jws.WithKey(alg, key), jws.WithCompact())
	if err != nil {
		return nil, refused("signature", "the token's signature is wrong")
	}
	return payload, nil
}

// fits tells whether the key is of the algorithm's family, so that a public key is never
// taken for a shared secret.
func fits(key jwk.Key, alg jwa.SignatureAlgorithm) bool {
	if own, ok := key.Algorithm(); ok && own.String() != alg.String() {
		return false
	}
	switch key.KeyType() {
	case jwa.EC():
		return strings.HasPrefix(alg.String(), "ES")
	case jwa.RSA():
		return strings.HasPrefix(alg.String(), "RS") || strings.HasPrefix(alg.String(), "PS")
	case jwa.OKP():
		return alg.String() == "EdDSA"
	default:
		return false
	}
}

func (v *Verifier) check(c claims) error {
	now := v.now()
	switch {
	case c.Issuer != v.cfg.Issuer:
		return refused("issuer", "the token is of another issuer")
	case !slices.Contains(c.Audience, v.cfg.Audience):
		return refused("audience", "the token is not for this gateway")
	case c.Expires == 0 || !now.Before(unix(c.Expires).Add(v.cfg.Leeway)):
		return refused("expired", "the token has expired")
	case unix(c.NotBefore).After(now.Add(v.cfg.Leeway)), unix(c.IssuedAt).After(now.Add(v.cfg.Leeway)):
		return refused("not_yet", "the token is not valid yet")
	case c.Subject == "" || c.ID == "" || c.Client == "" || c.IssuedAt == 0:
		return refused("malformed", "the token lacks a claim that RFC 9068, 2.2 requires")
	case v.cfg.MaxLife > 0 && unix(c.Expires).Sub(unix(c.IssuedAt)) > v.cfg.MaxLife:
		return refused("lifetime", "the token is valid for longer than is accepted")
	case c.Staff != "" && (c.Department == "" || c.Terminal == ""):
		return refused("identity", "the token does not say where the member of staff works and sits")
	case !word(c.Staff, 32), !word(c.Client, 64), !word(c.ACR, 64), len(c.Terminal) > 64, len(c.Department) > 96:
		return refused("identity", "the token's identity has not the form in which it is recorded")
	}
	return nil
}

func member(c claims) Member {
	who := Member{Staff: c.Staff, Department: c.Department, Terminal: c.Terminal, Authentication: c.ACR, Client: c.Client}
	if c.Case != nil {
		who.Case = &ledger.Case{ID: ledger.CaseID(c.Case.ID), Procedure: ledger.ProcedureID(c.Case.Procedure), Open: true}
		for _, p := range c.Case.Persons {
			who.Case.Persons = append(who.Case.Persons, ledger.AtenaNumber(p))
		}
	}
	return who
}

func (v *Verifier) remembered(digest [sha256.Size]byte) (Member, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	k, ok := v.known[digest]
	if ok && !v.now().Before(k.ends) {
		delete(v.known, digest)
		return Member{}, false
	}
	return k.who, ok
}

func (v *Verifier) remember(digest [sha256.Size]byte, k verified) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.known) >= knownLimit {
		clear(v.known)
	}
	v.known[digest] = k
}

// word tells whether s is at most n characters of printable ASCII.
func word(s string, n int) bool {
	return len(s) <= n && !strings.ContainsFunc(s, func(r rune) bool { return r < '!' || r > '~' })
}

func unix(seconds float64) time.Time { return time.Unix(int64(seconds), 0) }

// refused says why a token is refused. The reason goes into the record and to the caller.
func refused(reason, text string) error {
	return fault.New(fault.Denied, "%s", text).WithCode("KKH1201").WithReason(reason)
}
