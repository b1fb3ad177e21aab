package residents

import "kakehashi/internal/wire"

// Config says where the resident registry is and how long to wait for it.
type Config wire.Config

// Validate tells everything that is wrong with the settings at once.
func (c Config) Validate() error { return wire.Config(c).Validate() }
