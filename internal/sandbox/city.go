package sandbox

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Options are how a city is opened. The zero value is good.
type Options struct {
	Seed       uint64           // of the people, when the city is founded; 0: 1
	Code       string           // 全国地方公共団体コード, when the city is founded; empty: MunicipalityCode
	Now        func() time.Time // the clock; nil: the machine's
	SlowFor    time.Duration    // how long a slow system takes; 0: 10 seconds
	FreshPorts bool             // take other ports where a remembered one is taken
	Logger     *slog.Logger     // told of refused requests, without anything personal; nil: nobody
}

// identity is what never changes about a city, as it lies on disk.
type identity struct {
	ID      string            `json:"id"` // of the folder, so that a process can be asked whether it serves this one
	Seed    uint64            `json:"seed"`
	Code    string            `json:"code,omitempty"` // empty: MunicipalityCode
	Today   string            `json:"today"`
	Clients map[string]client `json:"clients"` // by provider and name
	Key     []byte            `json:"key"`     // the issuer's, PKCS #8
}

// City is a fictional city and its stand-ins. It is safe for concurrent use.
type City struct {
	dir      string
	opt      Options
	identity identity
	keeper   *keeper
	town     func() *town // made at the first use
	key      *ecdsa.PrivateKey
	today    time.Time // base date
}

// Open opens the city in a folder, founding it where there is none: its base date is then
// today in Japan. Founding needs a few ports of the loopback, which the city keeps.
func Open(dir string, opt Options) (*City, error) {
	opt = opt.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the city: %w", withoutPath(err))
	}
	c, err := load(dir, opt)
	if errors.Is(err, ErrNoCity) {
		if err := establish(dir, opt); err != nil {
			return nil, fmt.Errorf("found the city: %w", err)
		}
		c, err = load(dir, opt)
	}
	if err != nil {
		return nil, fmt.Errorf("open the city: %w", err)
	}
	return c, nil
}

func (o Options) withDefaults() Options {
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SlowFor == 0 {
		o.SlowFor = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// load reads a city that stands.
func load(dir string, opt Options) (*City, error) {
	c := &City{dir: dir, opt: opt}
	if err := readFile(dir, identityFile, &c.identity); err != nil {
		return nil, err
	}
	c.identity.Clients = grantScopes(c.identity.Clients)
	k, err := openKeeper(dir)
	if err != nil {
		return nil, err
	}
	today, err := time.ParseInLocation(time.DateOnly, c.identity.Today, jst)
	if err != nil {
		return nil, errors.New("the city's base date cannot be read")
	}
	key, err := x509.ParsePKCS8PrivateKey(c.identity.Key)
	if err != nil {
		return nil, errors.New("the issuer's key cannot be read")
	}
	signing, ok := key.(*ecdsa.PrivateKey)
	if !ok || signing.Curve != elliptic.P256() {
		return nil, errors.New("the issuer's key is not of the curve P-256")
	}
	c.keeper, c.key, c.today = k, signing, today
	c.town = sync.OnceValue(func() *town { return found(c.identity.Seed, today) })
	return c, nil
}

// establish writes the files of a new city. Two processes that do so at once end up with
// the same city.
func establish(dir string, opt Options) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the issuer's key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("make the issuer's key: %w", err)
	}
	ports, err := freePorts()
	if err != nil {
		return err
	}
	// The identity comes last: a folder without one is no city yet.
	if err := writeOnce(dir, stateFile, state{Ports: ports}); err != nil {
		return err
	}
	return writeOnce(dir, identityFile, identity{
		ID: secret(16), Seed: opt.Seed, Code: opt.Code, Today: opt.Now().In(jst).Format(time.DateOnly), Clients: newClients(), Key: der,
	})
}

// secret gives a random word of n characters of 0-9A-Za-z.
func secret(n int) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	word := make([]byte, 0, n)
	for buf := make([]byte, n); len(word) < n; {
		_, _ = rand.Read(buf) // never fails: crypto/rand ends the program instead
		for _, b := range buf {
			if int(b) < 256/len(alphabet)*len(alphabet) && len(word) < n {
				word = append(word, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(word)
}

// Municipality gives the city's 全国地方公共団体コード.
func (c *City) Municipality() string { return cmp.Or(c.identity.Code, MunicipalityCode) }

// Audience gives the audience of staff tokens of the city.
func (c *City) Audience() string { return "kakehashi:" + c.Municipality() }

// Today gives the base date of the city: midnight in Japan of the day on which it was founded.
func (c *City) Today() time.Time { return c.today }

// People gives the personas as they are now.
func (c *City) People() []Persona { return c.town().personas(c.opt.Now()) }

// People gives the personas of the city in a folder; [ErrNoCity] where there is none.
func People(dir string) ([]Persona, error) {
	c, err := load(dir, Options{}.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("read the city: %w", err)
	}
	return c.People(), nil
}
