package wire

import (
	"net"
	"net/http"
	"time"
)

// newTransport makes the connections of one target. It keeps as many idle ones as may be
// in use at once (the default of two costs two to three times), asks no proxy of the
// environment, and does not unpack, since a packed reply could outgrow every limit.
func newTransport(cfg Config) (*http.Transport, error) {
	conf, err := cfg.tls()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: cfg.AttemptTimeout, KeepAlive: 15 * time.Second}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    cfg.AttemptTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           cfg.Concurrency + 2,
		MaxIdleConnsPerHost:    cfg.Concurrency + 2,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}, nil
}
