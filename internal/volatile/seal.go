package volatile

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// sealer names and encrypts what goes to Redis. Two gateways with the same prefix and key
// understand one another; nobody else reads a value, moves it to another name, or learns
// from a name what it stands for.
type sealer struct {
	prefix string
	names  []byte
	values cipher.AEAD
}

func newSealer(prefix string, key [32]byte) (*sealer, error) {
	names, err := hkdf.Key(sha256.New, key[:], nil, "kakehashi volatile names", 32)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	secret, err := hkdf.Key(sha256.New, key[:], nil, "kakehashi volatile values", 32)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("make a cipher: %w", err)
	}
	values, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make a cipher: %w", err)
	}
	return &sealer{prefix: prefix, names: names, values: values}, nil
}

// name gives the name in Redis of a key of a kind.
func (s *sealer) name(kind, key string) string {
	mac := hmac.New(sha256.New, s.names)
	mac.Write([]byte(kind + "\x00" + key))
	return s.prefix + kind + ":" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

func (s *sealer) seal(name string, plain []byte) []byte {
	return s.values.Seal(nil, nil, plain, []byte(name)) //nolint:gosec // it makes a random nonce of its own
}

// open gives what was sealed under the name; false: this is something else.
func (s *sealer) open(name string, sealed []byte) ([]byte, bool) {
	plain, err := s.values.Open(nil, nil, sealed, []byte(name))
	return plain, err == nil
}

// random gives a value that nobody else makes.
func random() string { return rand.Text() }
