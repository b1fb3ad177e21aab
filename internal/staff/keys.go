package staff

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"

	"kakehashi/internal/fault"
)

// keyLimit bounds the issuer's answer; a key set of a few keys is a few kilobytes.
const keyLimit = 256 << 10

// Keys holds the issuer's public keys: read when first needed, again after refresh, and
// again for a key ID that is not known, but never more than once in a short while, so that
// tokens with made-up key IDs cannot make us call the issuer again and again. Keys that are
// due to be read again are used meanwhile: nobody waits for an issuer that hangs. While it
// is away the last keys are trusted for a configured time. Safe for concurrent use; Close
// ends it.
type Keys struct {
	url        string
	refresh    time.Duration
	trustedFor time.Duration
	client     *http.Client
	now        func() time.Time

	reading chan struct{}  // holds one token while nobody reads
	behind  sync.WaitGroup // readings that nobody waits for

	mu     sync.Mutex
	closed bool
	set    jwk.Set
	read   time.Time // when set was read
	tried  time.Time // when reading was last tried
	failed error     // how that try failed; nil: it did not
}

// keyPause is the shortest time between two tries to read the keys.
const keyPause = 2 * time.Second

// NewKeys makes the holder of the keys at cfg.JWKSURL.
func NewKeys(cfg Config, client *http.Client) *Keys {
	k := &Keys{
		url: cfg.JWKSURL, refresh: cfg.KeysRefresh, trustedFor: cfg.KeysTrustedFor,
		client: client, now: time.Now, reading: make(chan struct{}, 1),
	}
	k.reading <- struct{}{}
	return k
}

// Close waits for readings under way; no other begins in the background.
func (k *Keys) Close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.behind.Wait()
}

// find gives the public key of the ID. It is Unavailable when no keys can be trusted or the
// issuer cannot be asked about one that is not known, and Denied when it has no such key.
func (k *Keys) find(ctx context.Context, id string) (jwk.Key, error) {
	if set, due := k.current(); set != nil {
		if key, ok := set.LookupKeyID(id); ok {
			if due {
				k.rereadBehind(ctx)
			}
			return key, nil
		}
	}
	err := k.reread(ctx)
	if set, _ := k.current(); set != nil {
		if key, ok := set.LookupKeyID(id); ok {
			return key, nil
		}
	}
	if err != nil {
		return nil, noKeys(err)
	}
	return nil, refused("unknown_key", "the issuer has no such key")
}

// Held tells whether there are keys by which tokens can be verified now, reading them where
// that is needed. It is Unavailable while the issuer is away and no keys can be trusted.
func (k *Keys) Held(ctx context.Context) error {
	if set, due := k.current(); set != nil {
		if due {
			k.rereadBehind(ctx)
		}
		return nil
	}
	if err := k.reread(ctx); err != nil {
		return noKeys(err)
	}
	return nil
}

func noKeys(err error) error {
	return fault.New(fault.Unavailable, "read the issuer's keys: %w", err).WithCode("KKH1231").WithReason("no_keys")
}

// current gives the keys that may be trusted now, or nil, and whether it is time to read
// them again.
func (k *Keys) current() (set jwk.Set, due bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	age := k.now().Sub(k.read)
	if k.set == nil || age > k.trustedFor {
		return nil, true
	}
	return k.set, age > k.refresh && k.now().Sub(k.tried) >= keyPause
}

// rereadBehind reads the keys while the caller goes on, unless somebody does already.
func (k *Keys) rereadBehind(ctx context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return
	}
	select {
	case <-k.reading:
		ctx = context.WithoutCancel(ctx)
		k.behind.Go(func() {
			defer func() { k.reading <- struct{}{} }()
			_ = k.readNow(ctx) // the last keys are trusted meanwhile, and Held tells when they no longer are
		})
	default:
	}
}

// reread reads the keys, one caller at a time and not twice within keyPause.
func (k *Keys) reread(ctx context.Context) error {
	select {
	case <-k.reading:
		defer func() { k.reading <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("wait for the issuer's keys: %w", context.Cause(ctx))
	}
	return k.readNow(ctx)
}

// readNow reads the keys unless that was just tried; then it gives how that ended. Its
// caller holds the token of reading.
func (k *Keys) readNow(ctx context.Context) error {
	k.mu.Lock()
	tried, failed := k.tried, k.failed
	k.mu.Unlock()
	if k.now().Sub(tried) < keyPause {
		return failed
	}
	set, err := k.fetch(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tried, k.failed = k.now(), err
	if err == nil {
		k.set, k.read = set, k.now()
	}
	return err
}

func (k *Keys) fetch(ctx context.Context) (jwk.Set, error) {
	// The caller who happens to read must not take the keys from the others by leaving.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keyPause)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, http.NoBody)
	if err != nil {
		return nil, fault.New(fault.Internal, "make the request for the issuer's keys")
	}
	res, err := k.client.Do(req)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "the issuer does not answer").WithReason("down")
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, keyLimit))
	if err != nil || res.StatusCode != http.StatusOK {
		return nil, fault.New(fault.Unavailable, "the issuer answered with status %d", res.StatusCode)
	}
	set, err := jwk.Parse(body)
	if err != nil || set.Len() == 0 {
		return nil, fault.New(fault.Unavailable, "the issuer's keys cannot be read").WithReason("unreadable")
	}
	return set, nil
}
