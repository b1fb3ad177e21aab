package sandbox

import "strings"

// The systems that a fault may concern; all but protection are providers with a server of
// their own.
const (
	Residents  = "residents"
	Protection = "protection" // 支援措置, a resource of residents
	Tax        = "tax"
	Address    = "address"
)

// providers are the neighbours with a server of their own.
func providers() []string { return []string{Residents, Tax, Address} }

// client is a consuming system that a provider knows.
type client struct {
	ID     string   `json:"id"`     // 32 characters of 0-9A-Za-z
	Secret string   `json:"secret"` // 48 of them
	Scopes []string `json:"scopes"` // what it may ask for
}

// Names of the clients that providers know.
const (
	gatewayClient = "gateway"
	numbersClient = "numbers" // may search by 個人番号 and read numbers
)

// Neighbour is what a configuration needs to call one provider.
type Neighbour struct {
	System       string
	BaseURL      string
	TokenURL     string
	ClientID     string
	ClientSecret string
	Scopes       []string // all that the client may ask for
}

// newClients makes the clients of a new city: the gateway has one ID everywhere and a
// secret with each provider.
func newClients() map[string]client {
	id := secret(32)
	clients := map[string]client{}
	for _, provider := range providers() {
		clients[provider+"/"+gatewayClient] = client{ID: id, Secret: secret(48)}
	}
	clients[Address+"/"+numbersClient] = client{ID: secret(32), Secret: secret(48)}
	return grantScopes(clients)
}

// grantScopes grants every client what this version serves. It is done whenever a folder
// is opened, so that the folder of an older version gets what has come since.
func grantScopes(clients map[string]client) map[string]client {
	granted := map[string]client{}
	for key, c := range clients {
		provider, name, _ := strings.Cut(key, "/")
		c.Scopes = grantedScopes(provider)
		if name == numbersClient {
			c.Scopes = append(c.Scopes, scopeIndividual, scopeNumbers)
		}
		granted[key] = c
	}
	return granted
}

// clientOf gives the client with that ID which a provider knows.
func (c *City) clientOf(provider, id string) (client, bool) {
	for name, known := range c.identity.Clients {
		if strings.HasPrefix(name, provider+"/") && known.ID == id {
			return known, true
		}
	}
	return client{}, false
}

// Neighbours gives what the gateway's configuration needs for residents, tax and address.
func (c *City) Neighbours() []Neighbour {
	all := make([]Neighbour, 0, len(providers()))
	for _, provider := range providers() {
		all = append(all, c.neighbour(provider, gatewayClient))
	}
	return all
}

// NumberDesk gives the address system's other client, which may search by 個人番号 and read
// numbers; the gateway's may not.
func (c *City) NumberDesk() Neighbour { return c.neighbour(Address, numbersClient) }

func (c *City) neighbour(provider, name string) Neighbour {
	known := c.identity.Clients[provider+"/"+name]
	base := c.url(provider)
	return Neighbour{
		System: provider, BaseURL: base, TokenURL: base + tokenPath,
		ClientID: known.ID, ClientSecret: known.Secret, Scopes: known.Scopes,
	}
}
