package address

import (
	"errors"
	"strings"

	"kakehashi/internal/fault"
	"kakehashi/internal/wire"
)

// Config says where the unified address system is, how long to wait for it, and as whom we
// write to it.
type Config struct {
	wire.Config

	System string `config:"system_id" default:"000" doc:"書くときに名乗る独自施策システム等ID（半角英数字3文字）。団体内で割り当てられたもの。ないときは 000"`
}

// noSystem is the ID of a system that was assigned none (API74).
const noSystem = "000"

// Defaults gives the settings that the tags of Config name.
func Defaults() Config { return Config{Config: wire.Defaults(), System: noSystem} }

// Validate tells everything that is wrong with the settings at once.
func (c Config) Validate() error {
	err := c.Config.Validate()
	if len(c.System) != 3 || strings.Trim(c.System, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != "" {
		err = errors.Join(err, &fault.Error{Kind: fault.Invalid, Code: "KKH0140", Field: "/system_id", What: "半角英数字3文字にしてください"})
	}
	return err
}
