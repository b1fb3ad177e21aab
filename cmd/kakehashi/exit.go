package main

import (
	"errors"
	"slices"
	"strings"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/manual"
)

// The exit codes (experience.md 3.1): fixed, monotone, within 0 to 99, so that a site can
// set thresholds of 4 and 8. A panic is 134.
const (
	exitOK          = 0
	exitWarning     = 4
	exitRunning     = 8
	exitUnavailable = 12
	exitUsage       = 16
	exitData        = 20
	exitRecord      = 24
	exitInterrupted = 28
	exitInternal    = 32
)

// ending ends a command with a code of its own choosing; text goes to standard error.
type ending struct {
	code int
	text string
}

// Error gives the text.
func (e *ending) Error() string { return e.text }

// usage is an error of the command line itself.
type usage struct{ error }

// exitCode is the table of what an error means to a scheduler.
func exitCode(err error) int {
	if _, ok := errors.AsType[usage](err); ok {
		return exitUsage
	}
	if audit.IsUnwritable(err) {
		return exitRecord
	}
	switch code := fault.Code(err); {
	case code == "KKH3201", code == "KKH6102": // another gateway, or another sandbox, has the folder
		return exitRunning
	case code == "KKH5050": // the record that was moved does not verify
		return exitRecord
	case strings.HasPrefix(code, "KKH01"), slices.Contains([]string{"KKH3106", "KKH3210", "KKH3212", "KKH5003", "KKH5004"}, code):
		return exitUsage
	}
	switch fault.KindOf(err) {
	case fault.Denied:
		return exitUsage
	case fault.Unavailable, fault.Unsure:
		return exitUnavailable
	case fault.Invalid, fault.NotFound, fault.Conflict, fault.Rejected:
		return exitData
	default:
		return exitInternal
	}
}

// explain says an error in the operator's words: the catalogue's text and what to do where
// the error bears a message number, and the technical text behind it.
func explain(err error) string {
	if u, ok := errors.AsType[usage](err); ok {
		return "KKH0101 コマンドの使い方が違います: " + u.Error() + "\n使い方は --help で確かめてください。"
	}
	if m, ok := manual.Message(fault.Code(err)); ok {
		return m.Code + " " + m.Text + "\n対処: " + m.Action + "\n(" + err.Error() + ")"
	}
	return "KKH9003 処理できませんでした。\n(" + err.Error() + ")"
}
