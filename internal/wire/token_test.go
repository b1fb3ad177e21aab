package wire

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

// accepting answers only to the tokens named.
func accepting(tokens ...string) func(int, *http.Request) (*http.Response, error) {
	return func(_ int, req *http.Request) (*http.Response, error) {
		for _, token := range tokens {
			if req.Header.Get("Authorization") == "Bearer "+token {
				return reply(200, `{}`), nil
			}
		}
		return reply(401, ``), nil
	}
}

func TestTokenRequestIsAsTheStandardWants(t *testing.T) {
	n := &neighbour{answer: always(200, `{}`)}
	cfg := testConfig(t)
	if _, err := read(testClient(t, cfg, n)); err != nil {
		t.Fatal(err)
	}
	form, err := url.ParseQuery(n.form)
	if err != nil {
		t.Fatal(err)
	}
	if form.Get("grant_type") != "client_credentials" || form.Get("scope") != "001:"+resource+":Read" ||
		form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || form.Has("client_secret") {
		t.Errorf("form: %v", form)
	}
	assertion, err := jwt.Parse([]byte(form.Get("client_assertion")), jwt.WithKey(jwa.HS256(), []byte(secret)))
	if err != nil {
		t.Fatal(err)
	}
	issuer, _ := assertion.Issuer()
	subject, _ := assertion.Subject()
	audience, _ := assertion.Audience()
	id, _ := assertion.JwtID()
	issued, _ := assertion.IssuedAt()
	expires, _ := assertion.Expiration()
	if issuer != cfg.ClientID || subject != cfg.ClientID || len(audience) != 1 || audience[0] != cfg.BaseURL+"/oauth2/token" || len(id) < 20 {
		t.Errorf("assertion: iss %q sub %q aud %q jti %q", issuer, subject, audience, id)
	}
	if lasts := expires.Sub(issued); lasts <= 0 || lasts > 5*time.Minute {
		t.Errorf("the assertion lasts %v", lasts)
	}
}

func TestOneTokenServesManyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &neighbour{answer: always(200, `{}`), token: func(int, *http.Request) (*http.Response, error) {
			pass(100 * time.Millisecond)
			return tokenReply("a")
		}}
		client := testClient(t, testConfig(t), n)
		ends := make(chan error, 16)
		for range 16 {
			go func() { _, err := read(client); ends <- err }()
		}
		for range 16 {
			if err := <-ends; err != nil {
				t.Error(err)
			}
		}
		if asked, tokens := n.counted(); asked != 16 || tokens != 1 {
			t.Errorf("%d reads with %d token requests, want 16 with 1", asked, tokens)
		}
	})
}

// The first caller goes away; the request for a token goes on for the second.
func TestTheRenewalSurvivesItsFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &neighbour{answer: always(200, `{}`), token: func(_ int, req *http.Request) (*http.Response, error) {
			select {
			case <-time.After(500 * time.Millisecond):
				return tokenReply("a")
			case <-req.Context().Done():
				return nil, req.Context().Err()
			}
		}}
		client := testClient(t, testConfig(t), n)
		ctx, cancel := context.WithCancel(context.Background())
		gone := make(chan error, 1)
		go func() { _, err := client.Read(ctx, resource, nil); gone <- err }()
		synctest.Wait()
		served := make(chan error, 1)
		go func() { _, err := read(client); served <- err }()
		synctest.Wait()
		cancel()
		fails(t, <-gone, "cancelled")
		if err := <-served; err != nil {
			t.Error(err)
		}
		if _, tokens := n.counted(); tokens != 1 {
			t.Errorf("%d token requests, want 1", tokens)
		}
	})
}

func TestOneExpiredTokenIsNeverSeen(t *testing.T) {
	n := &neighbour{}
	n.answer = accepting("token-a", "token-b")
	client := testClient(t, testConfig(t), n)
	if _, err := read(client); err != nil {
		t.Fatal(err)
	}
	n.answer = accepting("token-b") // all tokens given out until now are refused
	if _, err := read(client); err != nil {
		t.Errorf("the expired token was seen: %v", err)
	}
	if asked, tokens := n.counted(); asked != 3 || tokens != 2 {
		t.Errorf("asked %d times with %d token requests, want 3 with 2", asked, tokens)
	}
}

// The request that is sent again after a 401 is the whole request.
func TestTheRequestIsRewoundAfterARefusedToken(t *testing.T) {
	n := &neighbour{answer: func(i int, _ *http.Request) (*http.Response, error) {
		if i == 1 {
			return reply(401, ``), nil
		}
		return reply(200, `{}`), nil
	}}
	if _, err := read(testClient(t, testConfig(t), n)); err != nil {
		t.Fatal(err)
	}
	want := []string{`{"atenabango":"1234567890"}`, `{"atenabango":"1234567890"}`}
	if diff := cmp.Diff(want, n.bodies); diff != "" {
		t.Errorf("bodies sent (-want +got):\n%s", diff)
	}
}

func TestATokenIsRenewedAheadWithoutWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &neighbour{answer: always(200, `{}`)}
		n.token = func(i int, _ *http.Request) (*http.Response, error) {
			if i > 1 {
				pass(700 * time.Millisecond)
			}
			return tokenReply("t")
		}
		client := testClient(t, testConfig(t), n)
		steps := []struct {
			after  time.Duration
			tokens int
		}{{0, 1}, {539 * time.Second, 1}, {2 * time.Second, 2}, {10 * time.Second, 2}}
		for _, step := range steps {
			pass(step.after)
			began := time.Now()
			if _, err := read(client); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took != 0 {
				t.Errorf("after %v: the caller waited %v", step.after, took)
			}
			synctest.Wait()
			if _, tokens := n.counted(); tokens != step.tokens {
				t.Errorf("after %v: %d token requests, want %d", step.after, tokens, step.tokens)
			}
		}
	})
}

// A renewal ahead of time that fails is not tried again by every caller.
func TestAFailedRenewalAheadIsQuietForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &neighbour{answer: always(200, `{}`)}
		n.token = func(i int, _ *http.Request) (*http.Response, error) {
			if i > 1 {
				return nil, errors.New("no route")
			}
			return tokenReply("t")
		}
		client := testClient(t, testConfig(t), n)
		_, _ = read(client)
		pass(545 * time.Second)
		for range 30 {
			if _, err := read(client); err != nil {
				t.Fatalf("the old token still serves: %v", err)
			}
			synctest.Wait()
		}
		if _, tokens := n.counted(); tokens != 2 {
			t.Errorf("%d token requests, want 2", tokens)
		}
	})
}

func TestCloseEndsATokenRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &neighbour{answer: always(200, `{}`), token: silent}
		client := testClient(t, testConfig(t), n)
		ends := make(chan error, 1)
		go func() { _, err := client.Read(context.Background(), resource, nil); ends <- err }()
		synctest.Wait()
		began := time.Now()
		client.Close()
		if took := time.Since(began); took != 0 {
			t.Errorf("Close waited %v", took)
		}
		if err := <-ends; err == nil {
			t.Error("got an answer without a token")
		}
	})
}
