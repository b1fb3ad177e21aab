package outbox

import (
	"time"

	"kakehashi/internal/fault"
)

// Config says how fast and how patiently destinations are told. The numbers are of each
// destination by itself.
type Config struct {
	InFlight    int           `config:"in_flight" default:"8" doc:"1つの相手先へ同時に送る変更の数の上限（1から256）"`
	Rate        int           `config:"rate" default:"50" doc:"1つの相手先へ1秒に送る変更の数の上限。0 は上限なし"`
	Settle      time.Duration `config:"settle" default:"60s" doc:"応答を受け取れなかった要求を、相手先がまだ処理しているかもしれない時間。過ぎてから届いたかどうかを尋ねます"`
	SendTimeout time.Duration `config:"send_timeout" default:"30s" doc:"1回送るのに待つ時間の上限"`
	RetryFirst  time.Duration `config:"retry_first" default:"5s" doc:"届かなかった変更を最初にやり直すまでの時間。失敗が続くと倍ずつ延びます"`
	RetryMax    time.Duration `config:"retry_max" default:"15m" doc:"やり直すまでの時間の上限"`
	Tries       int           `config:"tries" default:"10" doc:"届いたかもしれない送信をこの回数くり返しても済まない変更は、配信不能にします"`
}

// Defaults gives the settings that the tags of Config name.
func Defaults() Config {
	return Config{
		InFlight: 8, Rate: 50, Settle: time.Minute, SendTimeout: 30 * time.Second,
		RetryFirst: 5 * time.Second, RetryMax: 15 * time.Minute, Tries: 10,
	}
}

// Validate tells what is wrong with the configuration, or nil. Zero stands for the default,
// but of Rate, where it is no limit.
func (c Config) Validate() error {
	wrong := func(field, text string) error {
		return fault.New(fault.Invalid, "%s", text).WithCode(codeConfig).WithField("/" + field)
	}
	c = c.withDefaults()
	switch {
	case c.InFlight < 1 || c.InFlight > 256:
		return wrong("in_flight", "1から256の間にしてください")
	case c.Rate < 0 || c.Rate > 100_000:
		return wrong("rate", "0から100000の間にしてください")
	case c.Settle < 0 || c.Settle > time.Hour:
		return wrong("settle", "1時間以下にしてください")
	case c.SendTimeout < time.Millisecond || c.SendTimeout > 10*time.Minute:
		return wrong("send_timeout", "10分以下にしてください")
	case c.RetryFirst < time.Millisecond || c.RetryFirst > c.RetryMax:
		return wrong("retry_first", "0より長く、retry_max 以下にしてください")
	case c.RetryMax > 24*time.Hour:
		return wrong("retry_max", "24時間以下にしてください")
	case c.Tries < 1 || c.Tries > 1000:
		return wrong("tries", "1から1000の間にしてください")
	}
	return nil
}

func (c Config) withDefaults() Config {
	d := Defaults()
	if c.InFlight == 0 {
		c.InFlight = d.InFlight
	}
	if c.Settle == 0 {
		c.Settle = d.Settle
	}
	if c.SendTimeout == 0 {
		c.SendTimeout = d.SendTimeout
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
	return c
}

// retryAfterMax is how long a neighbour may ask us to wait.
const retryAfterMax = time.Hour

// leaseBeyond is how much longer than its delivery a lease lasts.
const leaseBeyond = 30 * time.Second

// lease is how long a claimed change belongs to who claimed it.
func (c Config) lease() time.Duration { return c.SendTimeout + leaseBeyond }

// longest is the furthest ahead that any moment is set. What stands further ahead was set by
// a clock that has been put back since, and counts as due.
func (c Config) longest() time.Duration {
	return max(c.RetryMax, retryAfterMax, c.lease()+c.Settle) + time.Minute
}
