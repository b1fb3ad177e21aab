package web

import (
	"bytes"
	_ "embed"
	"net/http"
)

// description is the API in OpenAPI 3.1. It is written by hand; tests hold every route and
// the answers of every endpoint against it.
//
//go:embed openapi.json
var description []byte

// openAPI serves GET /openapi.json.
func (x *exchange) openAPI() error {
	h := x.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	x.write(http.StatusOK, bytes.Replace(description, []byte(`"url": "/"`), []byte(`"url": "`+x.web.cfg.Base+`/"`), 1))
	return nil
}
