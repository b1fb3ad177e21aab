package store_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// proxy stands between a gateway and its server, and can be told to lose what comes back.
type proxy struct {
	listener net.Listener
	server   string
	// fate is what becomes of the answers: 0 all pass, 1 the connection is cut once COMMIT
	// was passed on, 2 nothing passes in either direction.
	fate atomic.Int32
	all  sync.WaitGroup

	mu   sync.Mutex
	ends []func() // of the connections that there are
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, end := range p.ends {
		end()
	}
	p.ends = nil
}

func startProxy(t *testing.T, at *storetest.Place) *proxy {
	t.Helper()
	u, err := url.Parse(at.Config.URL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, server: u.Host}
	u.Host = l.Addr().String()
	at.Config.URL = u.String()
	p.all.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.all.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		end := sync.OnceFunc(func() { _, _ = client.Close(), server.Close() })
		p.mu.Lock()
		p.ends = append(p.ends, end)
		p.mu.Unlock()
		p.all.Go(func() { defer end(); p.pass(server, client, end) })
		p.all.Go(func() { defer end(); p.pass(client, server, func() {}) })
	}
}

func (p *proxy) pass(to io.Writer, from io.Reader, cut func()) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if p.fate.Load() == 2 {
			continue
		}
		if p.fate.Load() == 1 && bytes.Contains(buffer[:n], []byte("COMMIT\x00")) {
			p.fate.Store(3) // the answer to this one is lost
		} else if p.fate.Load() == 3 && bytes.Contains(buffer[:n], []byte("COMMIT\x00")) {
			p.fate.Store(0)
			cut()
			return // COMMIT's own answer
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func TestReplyToCommitThatIsLost(t *testing.T) {
	at := storetest.Postgres(t)
	direct := at
	p := startProxy(t, &at)
	db := at.Open(t)
	var told []bool
	p.fate.Store(1)
	err := store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
		tx.Done(func(committed bool) { told = append(told, committed) })
		_, err := tx.Exec(ctx, newCase, "A", "", "", "")
		return err
	})
	wantKind(t, err, fault.Unsure, "KKH3209")
	if len(told) != 1 || told[0] {
		t.Errorf("told %v, want one false", told)
	}
	if n := countCases(t, direct.Open(t)); n != 1 {
		t.Errorf("cases: got %d, want the one that was committed all the same", n)
	}
	addCase(t, db, "after")
}

func TestServerThatStandsStill(t *testing.T) {
	at := storetest.Postgres(t)
	at.Config.StatementTimeout, at.Config.ConnectTimeout = 100*time.Millisecond, time.Second
	p := startProxy(t, &at)
	db := at.Open(t)
	began := time.Now()
	err := store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
		p.fate.Store(2)
		_, err := tx.Exec(ctx, newCase, "A", "", "", "")
		return err
	})
	wantKind(t, err, fault.Unavailable, "")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	p.fate.Store(0)
	p.cut() // what went into the void does not come back
	addCase(t, db, "B")
	if n := countCases(t, db); n != 1 {
		t.Errorf("cases: got %d, want 1", n)
	}
}

func TestPoolerBetween(t *testing.T) {
	at := storetest.Postgres(t)
	at.Open(t)
	at.Config.Pooler = true
	db := at.Open(t)
	for _, id := range []string{"A", "B", "C"} {
		addCase(t, db, id)
	}
	rows, err := store.Query(t.Context(), db, "SELECT id FROM ledger_case WHERE id < $1 AND current_setting('search_path') LIKE '%pg_temp'", "C")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Close(); err != nil || n != 2 {
		t.Errorf("got %d rows, %v", n, err)
	}
	err = store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
		if err := tx.Lock(ctx, "ledger"); err != nil {
			return err
		}
		prepared, err := tx.Number(ctx, "SELECT count(*) FROM pg_prepared_statements WHERE name <> ''")
		if prepared != 0 {
			t.Errorf("%d statements are prepared on the session", prepared)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	db.Ring("outbox") // nobody hears it, and nothing breaks
}
