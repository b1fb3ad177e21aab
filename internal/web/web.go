package web

import (
	"context"
	"html/template"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"path"
	"time"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/staff"
)

// Config says where the API listens.
type Config struct {
	Address        string `config:"address" default:"127.0.0.1:8443" doc:"待ち受けるアドレス(ホスト:ポート)"`
	TLSCertificate string `config:"tls_certificate" format:"path" doc:"サーバー証明書(PEM、中間証明書を含む)"`
	TLSKey         string `config:"tls_key" format:"path" doc:"サーバー証明書の秘密鍵(PEM)"`
	Plain          bool   `config:"plain" default:"false" doc:"TLSを前段の装置に任せ、この機器の外へも平文で待ち受けるか"`
	Base           string `config:"-"` // what a host puts before every path and takes off again, as in /132012; empty: nothing
}

// Validate tells what is wrong with the configuration; nil: nothing.
func (c Config) Validate() error {
	host, _, err := net.SplitHostPort(c.Address)
	switch {
	case err != nil:
		return fault.New(fault.Invalid, "待ち受けるアドレスは ホスト:ポート の形で書いてください").WithCode("KKH0131").WithField("address")
	case (c.TLSCertificate == "") != (c.TLSKey == ""):
		return fault.New(fault.Invalid, "tls_certificate と tls_key は両方書くか、両方書かないでください").WithCode("KKH0132").WithField("tls_certificate")
	case c.TLSCertificate == "" && !c.Plain && !loopback(host):
		return fault.New(fault.Invalid, "この機器の外から呼ぶには tls_certificate と tls_key が必要です").WithCode("KKH0133").WithField("address")
	}
	return nil
}

// loopback tells whether the host names this machine alone.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Breaker is the state of 自動遮断 towards one neighbour.
type Breaker struct {
	Target    string
	State     string    // closed, half_open or open
	Since     time.Time // when it came into this state; zero: since the start
	NextProbe time.Time // of an open one: when a call is let through again; zero: not open
	Failures  int       // failures in the current window
}

// Probe is one thing that must be well for the gateway to do its work.
type Probe struct {
	Advisory bool   // what it looks at must be mended, but lookups go on: /readyz stays 200
	Name     string // record, database, issuer
	OK       bool
	Code     string // message number of what is wrong; empty when OK
}

// Proof is how an engine beside the database did when something was written to it and read
// back.
type Proof struct {
	Name string // redis, kafka
	OK   bool
	Code string        // message number of what is wrong; empty when OK
	Took time.Duration // writing and reading
}

// Rooms are what the API stands on. Fields that say so may be nil.
type Rooms struct {
	Gateway  *gateway.Gateway
	Tokens   *staff.Verifier
	Breakers func() []Breaker              // safe for concurrent use
	Ready    func(context.Context) []Probe // returns soon after its context ends
	Prove    func(context.Context) []Proof // nil: there is no engine beside the database
	Metrics  http.Handler                  // nil: /metrics is not found
	Log      *slog.Logger
	Traces   trace.TracerProvider // nil: no traces
	Meters   metric.MeterProvider // nil: no metrics of requests
	Console  *Console             // nil: no console
}

// Web serves the API and, where it is given, the console. Safe for concurrent use.
type Web struct {
	cfg       Config
	rooms     Rooms
	now       func() time.Time
	tracer    trace.Tracer
	extract   propagation.TraceContext
	durations metric.Float64Histogram
	pages     map[string]*template.Template
	mux       *http.ServeMux
}

// New makes the API of its rooms. It is Invalid where a room is missing.
func New(cfg Config, r Rooms) (*Web, error) {
	if r.Gateway == nil || r.Tokens == nil || r.Breakers == nil || r.Ready == nil || r.Log == nil {
		return nil, fault.New(fault.Internal, "web: a room is missing")
	}
	if r.Console != nil && cfg.Base != "" {
		return nil, fault.New(fault.Internal, "web: the console stands at the root alone")
	}
	if r.Traces == nil {
		r.Traces = noop.NewTracerProvider()
	}
	if r.Meters == nil {
		r.Meters = metricnoop.NewMeterProvider()
	}
	durations, err := r.Meters.Meter("kakehashi/internal/web").Float64Histogram("http.server.request.duration",
		metric.WithUnit("s"), metric.WithDescription("Duration of HTTP server requests."),
		metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10))
	if err != nil {
		return nil, fault.New(fault.Internal, "make the histogram of requests: %w", err)
	}
	pages, err := parsePages()
	if err != nil {
		return nil, err
	}
	w := &Web{
		cfg: cfg, rooms: r, now: time.Now, durations: durations, pages: pages,
		tracer: r.Traces.Tracer("kakehashi/internal/web"),
	}
	w.mux = w.routes()
	return w, nil
}

// Handler gives everything that is served. A path that is not written in its plain form is
// not found: the standard library would redirect to it and repeat it.
func (w *Web) Handler() http.Handler {
	unknown := w.observe("unknown", false, func(x *exchange) error { return x.unknownPath() })
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if p := r.URL.Path; r.Method == http.MethodConnect || p == "" || (path.Clean(p) != p && path.Clean(p)+"/" != p) {
			unknown.ServeHTTP(rw, r)
			return
		}
		w.mux.ServeHTTP(rw, r)
	})
}

// Limits of the server. A lookup takes its budget (at most a minute) and the record's time.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 15 * time.Second
	writeTimeout  = 90 * time.Second
	idleTimeout   = 2 * time.Minute
	headerLimit   = 24 << 10 // a token has at most 16 KiB
	bodyLimit     = 64 << 10
)

// Server gives the HTTP server for Handler, with its limits; the caller listens and closes.
// What the standard library would log of a connection is kept out of the log: it could hold
// what a caller sent.
func (w *Web) Server() *http.Server { return NewServer(w.cfg, w.Handler()) }

// NewServer gives a server with the same limits for another handler, as for one that chooses
// between several Webs.
func NewServer(cfg Config, handler http.Handler) *http.Server {
	return &http.Server{
		Addr: cfg.Address, Handler: handler,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerLimit,
		ErrorLog: log.New(io.Discard, "", 0),
	}
}
