package volatile

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// pause is how long a Redis that cost time is left alone.
const pause = time.Second

// remote is Redis, seen from one gateway.
type remote struct {
	*sealer
	client  *redis.Client
	timeout time.Duration
	gate    gate
	log     *slog.Logger

	mu     sync.Mutex
	hits   uint64
	misses uint64
	errors map[string]uint64
	down   string // why it is away, as the log last said; empty: it is not
}

// errGarbage says that what lies under a name of ours is none of our values.
var errGarbage = errors.New("the value cannot be opened")

// errGate says that Redis was not asked, since it has just cost time.
var errGate = errors.New("redis is left alone")

func newRemote(cfg Config, rooms Rooms) (*remote, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, cfg.Validate() // which says it without the URL
	}
	secure, err := cfg.tls(u)
	if err != nil {
		return nil, err
	}
	if _, err := cfg.password(); err != nil {
		return nil, err
	}
	names, err := newSealer(rooms.Prefix, rooms.Key)
	if err != nil {
		return nil, err
	}
	logging.Disable() // it writes addresses to the process's standard error
	db, _ := database(u)
	port := u.Port()
	if port == "" {
		port = "6379"
	}
	client := redis.NewClient(&redis.Options{
		Addr: net.JoinHostPort(u.Hostname(), port), DB: db, TLSConfig: secure, Protocol: 2,
		CredentialsProviderContext: func(context.Context) (string, string, error) {
			password, err := cfg.password()
			return u.User.Username(), password, err
		},
		MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		DialTimeout: cfg.Timeout, ReadTimeout: cfg.Timeout, WriteTimeout: cfg.Timeout, PoolTimeout: cfg.Timeout,
		PoolSize: cfg.Pool, MaxActiveConns: cfg.Pool, PipelinePoolSize: -1, ConnMaxIdleTime: 5 * time.Minute,
		ReadBufferSize: 4 << 10, WriteBufferSize: 4 << 10, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	return &remote{sealer: names, client: client, timeout: cfg.Timeout, log: rooms.Log, errors: map[string]uint64{}}, nil
}

// do asks Redis one thing, unless it has just cost time. Nothing found is redis.Nil.
func (r *remote) do(ctx context.Context, ask func(context.Context, *redis.Client) error) error {
	if !r.gate.enter(time.Now()) {
		return errGate
	}
	return r.try(ctx, ask)
}

// try is do without regard to the gate.
func (r *remote) try(ctx context.Context, ask func(context.Context, *redis.Client) error) error {
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	err := ask(limited, r.client)
	switch {
	case err == nil, errors.Is(err, redis.Nil), errors.Is(err, errGarbage), answered(err):
		r.gate.open()
	case ctx.Err() == nil: // it was not the caller who went away
		r.gate.close(time.Now())
	default:
		r.gate.close(time.Time{}) // whoever comes next tries
	}
	r.count(ctx, err)
	return err
}

// answered tells whether the error is what Redis itself said.
func answered(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok
}

// count counts how an exchange ended, and says once in the log that Redis went away, and
// once that it is back.
func (r *remote) count(ctx context.Context, err error) {
	was, is := r.tally(ctx, err)
	switch {
	case was == "" && is != "":
		r.log.LogAttrs(ctx, slog.LevelWarn, "redis", slog.String("code", "KKH3602"), slog.String("cause", is))
	case was != "" && is == "":
		r.log.LogAttrs(ctx, slog.LevelInfo, "redis", slog.String("code", "KKH3603"))
	}
}

// tally gives why Redis was away before and is away now; empty: it is not.
func (r *remote) tally(ctx context.Context, err error) (was, is string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was = r.down
	switch {
	case err == nil:
		r.hits++
		r.down = ""
	case errors.Is(err, redis.Nil):
		r.misses++
		r.down = ""
	case ctx.Err() != nil: // it was the caller who went away
	default:
		why := cause(err)
		r.errors[why]++
		if why != "garbage" && why != "type" { // one name, not the whole of it
			r.down = why
		}
	}
	return was, r.down
}

// cause gives the machine word for what kept Redis from serving. The word of Redis's own
// replies is the code that they begin with.
func cause(err error) string {
	if said, ok := errors.AsType[redis.Error](err); ok {
		return causeOfReply(said)
	}
	netErr, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, errGarbage):
		return "garbage"
	case errors.Is(err, redis.ErrClosed):
		return "closed"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case isTLS(err):
		return "certificate"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, redis.ErrPoolTimeout), isNet && netErr.Timeout():
		return "timeout"
	default:
		return "lost"
	}
}

func causeOfReply(said redis.Error) string {
	code, _, _ := strings.Cut(said.Error(), " ")
	switch code {
	case "NOAUTH", "WRONGPASS", "NOPERM":
		return "denied"
	case "READONLY", "MASTERDOWN", "CLUSTERDOWN", "MISCONF", "NOREPLICAS":
		return "readonly"
	case "OOM":
		return "full"
	case "LOADING", "BUSY":
		return "starting"
	case "WRONGTYPE":
		return "type"
	default:
		return "reply"
	}
}

func isTLS(err error) bool {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, host := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	return unknown || host || invalid
}

// gate keeps calls away from a Redis that has just cost time: one a pause is let through
// to see whether it is back. The zero value is open.
type gate struct {
	until atomic.Int64 // nanoseconds; 0: open
}

func (g *gate) enter(now time.Time) bool {
	until := g.until.Load()
	if until == 0 {
		return true
	}
	return now.UnixNano() >= until && g.until.CompareAndSwap(until, now.Add(pause).UnixNano())
}

func (g *gate) open() { g.until.Store(0) }

// close shuts the gate for a pause from a moment; from the zero Time: until the next comes.
func (g *gate) close(from time.Time) {
	if from.IsZero() {
		if until := g.until.Load(); until != 0 {
			g.until.CompareAndSwap(until, 1)
		}
		return
	}
	g.until.Store(from.Add(pause).UnixNano())
}
