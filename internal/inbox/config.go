package inbox

import (
	"time"

	"kakehashi/internal/fault"
)

// Config says whose notices are taken and how patiently they are followed.
type Config struct {
	Sources    []string      `config:"sources" doc:"異動通知を受け付ける送り元（CloudEvents の source）。空ならどの送り元も受け付けます"`
	Workers    int           `config:"workers" default:"4" doc:"同時に確認する人の数の上限（1から64）"`
	Timeout    time.Duration `config:"timeout" default:"15s" doc:"1人を確認するのに待つ時間の上限"`
	RetryFirst time.Duration `config:"retry_first" default:"5s" doc:"確認できなかった通知を最初にやり直すまでの時間。失敗が続くと倍ずつ延びます"`
	RetryMax   time.Duration `config:"retry_max" default:"15m" doc:"やり直すまでの時間の上限"`
	Tries      int           `config:"tries" default:"10" doc:"この回数確認できなかった通知は、次の一括処理を待ちます"`
	Keep       time.Duration `config:"keep" default:"2160h" doc:"終わった通知の番号を、二重に届いたときのために残す時間"`
}

// Defaults gives the settings that the tags of Config name.
func Defaults() Config {
	return Config{
		Workers: 4, Timeout: 15 * time.Second, RetryFirst: 5 * time.Second, RetryMax: 15 * time.Minute,
		Tries: 10, Keep: 90 * 24 * time.Hour,
	}
}

// Validate tells what is wrong with the configuration, or nil. Zero stands for the default.
func (c Config) Validate() error {
	wrong := func(field, text string) error {
		return fault.New(fault.Invalid, "%s", text).WithCode(codeConfig).WithField(field)
	}
	c = c.withDefaults()
	switch {
	case c.Workers < 1 || c.Workers > 64:
		return wrong("workers", "1から64の間にしてください")
	case c.Timeout < time.Millisecond || c.Timeout > 5*time.Minute:
		return wrong("timeout", "5分以下にしてください")
	case c.RetryFirst < time.Millisecond || c.RetryFirst > c.RetryMax:
		return wrong("retry_first", "0より長く、retry_max 以下にしてください")
	case c.RetryMax > 24*time.Hour:
		return wrong("retry_max", "24時間以下にしてください")
	case c.Tries < 1 || c.Tries > 1000:
		return wrong("tries", "1から1000の間にしてください")
	case c.Keep < 24*time.Hour || c.Keep > 10*366*24*time.Hour:
		return wrong("keep", "24時間から10年の間にしてください。送り元が同じ通知を送り直しうる期間より長くします")
	}
	for _, s := range c.Sources {
		if !sourceFits(s) {
			return wrong("sources", "送り元は、半角英数字と : . / _ - だけの128文字以内で、7桁以上の数字を含まないものにしてください")
		}
	}
	return nil
}

func (c Config) withDefaults() Config {
	d := Defaults()
	if c.Workers == 0 {
		c.Workers = d.Workers
	}
	if c.Timeout == 0 {
		c.Timeout = d.Timeout
	}
	if c.RetryFirst == 0 {
		c.RetryFirst = d.RetryFirst
	}
	if c.RetryMax == 0 {
		c.RetryMax = max(d.RetryMax, c.RetryFirst)
	}
	if c.Tries == 0 {
		c.Tries = d.Tries
	}
	if c.Keep == 0 {
		c.Keep = d.Keep
	}
	return c
}

// leaseBeyond is how much longer than its refresh a lease lasts: for settling.
const leaseBeyond = 30 * time.Second

// lease is how long claimed notices belong to who claimed them.
func (c Config) lease() time.Duration { return c.Timeout + leaseBeyond }

// longest is the furthest ahead that any moment is set. What stands further ahead was set by
// a clock that has been put back since, and counts as due.
func (c Config) longest() time.Duration { return max(c.RetryMax, c.lease()) + time.Minute }
