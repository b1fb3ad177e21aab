package audit

import (
	"time"

	"kakehashi/internal/fault"
)

// Config says where the keys of the record and its checkpoints lie.
type Config struct {
	MACKeyFile      string        `config:"mac_key_file,required" format:"path" doc:"記録の照合鍵（鍵付きハッシュの鍵）のファイル"`
	SigningKeyFile  string        `config:"signing_key_file,required" format:"path" doc:"封印の署名鍵のファイル"`
	PublicKeyFile   string        `config:"public_key_file,required" format:"path" doc:"封印を検証する公開鍵のファイル"`
	CheckpointsFile string        `config:"checkpoints_file,required" format:"path" doc:"封印の控えのファイル。データベースとは別のディスクに置いてください"`
	SealEvery       time.Duration `config:"seal_every" default:"500ms" doc:"封印の間隔"`
	WriteTimeout    time.Duration `config:"write_timeout" default:"5s" doc:"記録の書込みを待つ時間の上限。過ぎると照会を止めます"`
	Lease           time.Duration `config:"lease" default:"15s" doc:"複数のゲートウェイで使うとき、この時間だけ動きのないゲートウェイの記録を、ほかのゲートウェイが締めます（PostgreSQLのときだけ）。database.lock_timeout より長くします"`
}

// Validate tells what is wrong with the configuration, or nil.
func (c Config) Validate() error {
	wrong := func(field, what string) error {
		return fault.New(fault.Invalid, "%s", what).WithCode("KKH3106").WithField(field)
	}
	switch {
	case c.MACKeyFile == "":
		return wrong("mac_key_file", "the record has no file for its keyed hash's key")
	case c.SigningKeyFile == "":
		return wrong("signing_key_file", "the record has no file for its signing key")
	case c.PublicKeyFile == "":
		return wrong("public_key_file", "the record has no file for its public key")
	case c.CheckpointsFile == "":
		return wrong("checkpoints_file", "the record has no file for its checkpoints")
	case c.SealEvery < 0 || c.SealEvery > 0 && c.SealEvery < time.Millisecond || c.SealEvery > time.Minute:
		return wrong("seal_every", "seal_every is not between 1 ms and 1 min")
	case c.WriteTimeout < 0 || c.WriteTimeout > time.Minute:
		return wrong("write_timeout", "write_timeout is not between 0 and 1 min")
	case c.Lease < 0 || c.Lease > 0 && c.Lease < time.Second || c.Lease > time.Hour:
		return wrong("lease", "lease is not between 1 s and 1 h")
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.SealEvery == 0 {
		c.SealEvery = 500 * time.Millisecond
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = 5 * time.Second
	}
	if c.Lease == 0 {
		c.Lease = 15 * time.Second
	}
	return c
}
