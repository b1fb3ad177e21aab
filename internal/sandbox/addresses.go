package sandbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// The servers besides the providers.
const (
	controlServer = "control"
	issuerServer  = "issuer"
)

// servers are all servers of the stand-ins.
func servers() []string { return append([]string{controlServer, issuerServer}, providers()...) }

// Addresses are the base URLs of the servers.
type Addresses struct {
	Control   string `json:"control"`
	Issuer    string `json:"issuer"`
	Residents string `json:"residents"`
	Tax       string `json:"tax"`
	Address   string `json:"address"`
}

// Addresses gives the base URLs of the city's servers, whether they run or not.
func (c *City) Addresses() Addresses {
	return Addresses{
		Control: c.url(controlServer), Issuer: c.url(issuerServer),
		Residents: c.url(Residents), Tax: c.url(Tax), Address: c.url(Address),
	}
}

// url gives the base URL of a server.
func (c *City) url(server string) string { return "http://" + hostPort(c.keeper.get().Ports[server]) }

// hostPort gives the address of a port on the loopback.
func hostPort(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// Ports are taken from below the range from which systems take the ports of outgoing
// connections, so that a restart does not find one of them in its place.
const (
	firstPort = 20_000
	portRange = 12_000
	portTries = 400
)

// freePorts gives a free port of the loopback for every server.
func freePorts() (map[string]int, error) {
	ports := map[string]int{}
	taken := map[int]bool{}
	for _, server := range servers() {
		port, err := freePort(taken)
		if err != nil {
			return nil, err
		}
		ports[server], taken[port] = port, true
	}
	return ports, nil
}

// freePort gives a free port that is not among those taken.
func freePort(taken map[int]bool) (int, error) {
	for range portTries {
		port := firstPort + rand.IntN(portRange)
		if taken[port] {
			continue
		}
		l, err := net.Listen("tcp4", hostPort(port)) //nolint:noctx // on the loopback it never waits
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return 0, fmt.Errorf("look for a free port: %w", err)
		}
		return port, nil
	}
	return 0, errors.New("no free port was found on the loopback")
}

// listen takes a port of the loopback.
func listen(ctx context.Context, port int) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp4", hostPort(port))
	if err != nil {
		return nil, fmt.Errorf("%w: port %d", ErrPortTaken, port)
	}
	return l, nil
}
