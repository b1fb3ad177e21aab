package config

import (
	"cmp"
	"net"
	"net/url"
	"strings"
)

// Connections is the budget of one PostgreSQL server: what the gateways of a configuration
// take of it at most, and what is to be left beside them.
type Connections struct {
	Server         string `json:"-"` // host and port
	Municipalities int    `json:"municipalities"`
	Gateways       int    `json:"gateways"` // processes that serve each municipality
	Sets           int    `json:"sets"`     // of all sets: each its pool and, where nothing stands between, one that listens
	Reserve        int    `json:"reserve"`
}

// Total is what max_connections must allow at least.
func (c Connections) Total() int { return c.Sets + c.Reserve }

// What is left beside the gateways: for administrators, monitoring and dumps, and for each
// municipality one by which it is migrated, backed up or verified.
const reserveOfAll, reserveOfEach = 10, 1

// Budget counts the connections that the municipalities' gateways take, for each PostgreSQL
// server; none for SQLite. gateways is how many processes serve each municipality.
func Budget(cities []*File, gateways int) []Connections {
	var all []Connections
	at := map[string]int{}
	for _, f := range cities {
		server := serverOf(f.Database.URL)
		if server == "" {
			continue
		}
		i, known := at[server]
		if !known {
			i = len(all)
			at[server] = i
			all = append(all, Connections{Server: server, Gateways: gateways, Reserve: reserveOfAll})
		}
		one := f.Database.Pool
		if !f.Database.Pooler {
			one++ // the one that listens for wake-ups
		}
		all[i].Municipalities++
		all[i].Sets += gateways * one
		all[i].Reserve += reserveOfEach
	}
	return all
}

// serverOf gives host and port of a PostgreSQL database's URL, its host in small letters;
// empty: it is none.
func serverOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" {
		return ""
	}
	return net.JoinHostPort(strings.ToLower(cmp.Or(u.Hostname(), u.Query().Get("host"))), cmp.Or(u.Port(), "5432"))
}
