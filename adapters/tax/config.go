package tax

import "kakehashi/internal/wire"

// Config says where the publication of the tax section is and how long to wait for it.
type Config wire.Config

// Validate tells everything that is wrong with the settings at once.
func (c Config) Validate() error { return wire.Config(c).Validate() }
