// Package licences holds the licences and notices of everything that is linked into the
// program. The file is written by .ci/licences from the modules themselves; a test says
// when it has to be written again.
package licences

import _ "embed"

//go:embed notices.txt
var notices string

// Notices gives the text that `kakehashi version --licences` prints.
func Notices() string { return notices }
