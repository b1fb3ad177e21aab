package wire

import (
	"testing"

	"github.com/alicebob/miniredis/v2"

	"kakehashi/internal/volatile"
)

// gateways gives a client of the neighbour in each of n gateways that share their tokens.
func gateways(t *testing.T, n int, of *neighbour) []*Client {
	t.Helper()
	server, cfg := miniredis.RunT(t), testConfig(t)
	var all []*Client
	for range n {
		s, err := volatile.Open(volatile.Config{URL: "redis://" + server.Addr()}, volatile.Rooms{Prefix: "p:"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		c, err := New("residents", []string{"001:" + resource + ":Read"}, cfg, Rooms{Tokens: s.Tokens(), Transport: of})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		all = append(all, c)
	}
	return all
}

// ready reads and waits until the token is shared.
func ready(t *testing.T, c *Client) {
	t.Helper()
	if _, err := read(c); err != nil {
		t.Fatal(err)
	}
	c.tokens.flown.Wait()
}

func TestOneTokenServesAllGateways(t *testing.T) {
	n := &neighbour{answer: always(200, `{}`)}
	for _, c := range gateways(t, 3, n) {
		ready(t, c)
	}
	if asked, tokens := n.counted(); asked != 3 || tokens != 1 {
		t.Errorf("%d reads with %d token requests, want 3 with 1", asked, tokens)
	}
}

// A token that another gateway fetched may be refused like our own: only one that was
// fetched for this very request proves that the neighbour refuses us.
func TestARefusedTokenOfAnotherGatewayIsNeverSeen(t *testing.T) {
	n := &neighbour{answer: accepting("token-a")}
	both := gateways(t, 2, n)
	ready(t, both[0]) // token-a
	ready(t, both[1]) // the same
	n.answer = accepting("token-b")
	ready(t, both[0]) // token-b
	n.answer = accepting("token-c")
	ready(t, both[1]) // refused token-a, found token-b, refused, fetched token-c
	if _, tokens := n.counted(); tokens != 3 {
		t.Errorf("%d token requests, want 3", tokens)
	}
	n.answer = accepting()
	asked, _ := n.counted()
	if _, err := read(both[1]); err == nil {
		t.Error("an answer although every token is refused")
	}
	if now, _ := n.counted(); now-asked > 3 {
		t.Errorf("asked %d times with refused tokens", now-asked)
	}
}
