package sandbox

import (
	"fmt"
	"net/http"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

// The paths of the issuer.
const (
	discoveryPath = "/.well-known/openid-configuration"
	jwksPath      = "/jwks"
)

// metadata is what the issuer says of itself.
type metadata struct {
	Issuer        string   `json:"issuer"`
	JWKS          string   `json:"jwks_uri"`
	ResponseTypes []string `json:"response_types_supported"`
	SubjectTypes  []string `json:"subject_types_supported"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	ACR           []string `json:"acr_values_supported"`
}

// issuer makes the server that says who signs staff tokens. It gives none out itself:
// a person signs in with card and vein, which this city does not play.
func (c *City) issuer() (http.Handler, error) {
	private, err := c.signingKey()
	if err != nil {
		return nil, err
	}
	public, err := jwk.PublicKeyOf(private)
	if err != nil {
		return nil, fmt.Errorf("publish the issuer's key: %w", err)
	}
	keys := jwk.NewSet()
	if err := keys.AddKey(public); err != nil {
		return nil, fmt.Errorf("publish the issuer's key: %w", err)
	}
	base := c.url(issuerServer)
	about := metadata{
		Issuer: base, JWKS: base + jwksPath, ResponseTypes: []string{"none"}, SubjectTypes: []string{"public"},
		Algorithms: []string{"ES256"}, ACR: []string{Authentication},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+discoveryPath, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, about) })
	mux.HandleFunc("GET "+jwksPath, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, keys) })
	return mux, nil
}
