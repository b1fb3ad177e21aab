package events

import (
	"bytes"
	_ "embed"
)

// description describes the two topics in AsyncAPI 3. It is written by hand; tests hold it
// to what is written and read.
//
//go:embed asyncapi.yaml
var description []byte

// AsyncAPI gives the description of the topics, for who writes to them or reads them.
func AsyncAPI() []byte { return bytes.Clone(description) }
