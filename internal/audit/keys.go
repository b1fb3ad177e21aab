package audit

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"kakehashi/internal/fault"
)

// The names of the key files that GenerateKeys writes.
const (
	MACKeyName     = "record-mac.key"
	SigningKeyName = "record-signing.key"
	PublicKeyName  = "record-public.key"
)

// Keys are the keys of the record.
type Keys struct {
	mac      []byte
	signer   note.Signer
	verifier note.Verifier
}

// GenerateKeys writes new keys into a folder, as files that only their owner may read. A
// file that exists is a Conflict and is left as it is: a key that is overwritten makes
// the record worthless.
func GenerateKeys(dir string) error {
	mac := make([]byte, 32)
	if _, err := rand.Read(mac); err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	signing, public, err := note.GenerateKey(rand.Reader, "kakehashi.record."+strings.ToLower(rand.Text()[:10]))
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	for _, key := range []struct{ name, text string }{
		{MACKeyName, base64.StdEncoding.EncodeToString(mac)},
		{SigningKeyName, signing},
		{PublicKeyName, public},
	} {
		if err := writeKey(filepath.Join(dir, key.name), key.text); err != nil {
			return err
		}
	}
	return nil
}

func writeKey(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Conflict, "the key file %s exists already", filepath.Base(path)).WithCode("KKH3107")
	}
	if err != nil {
		return keyFault(path, err)
	}
	_, err = f.WriteString(text + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return keyFault(path, err)
	}
	return nil
}

// keyFault names a key's file by its last part: the rest may name a person or a city.
func keyFault(path string, err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return fault.New(fault.Invalid, "key file %s: %w", filepath.Base(path), err).WithCode("KKH3107")
}

func readKey(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", keyFault(path, err)
	}
	return string(bytes.TrimSpace(text)), nil
}

// LoadKeys reads the keys that the configuration names, and makes sure that the two
// halves of the signing key belong together.
func LoadKeys(cfg Config) (Keys, error) {
	mac, err := loadMACKey(cfg.MACKeyFile)
	if err != nil {
		return Keys{}, err
	}
	text, err := readKey(cfg.SigningKeyFile)
	if err != nil {
		return Keys{}, err
	}
	signer, err := note.NewSigner(text)
	if err != nil {
		return Keys{}, keyFault(cfg.SigningKeyFile, errors.New("not a signing key"))
	}
	verifier, err := loadPublicKey(cfg.PublicKeyFile)
	if err != nil {
		return Keys{}, err
	}
	keys := Keys{mac: mac, signer: signer, verifier: verifier}
	signed, err := note.Sign(&note.Note{Text: "a trial\n"}, signer)
	if err == nil {
		_, err = note.Open(signed, note.VerifierList(verifier))
	}
	if err != nil {
		return Keys{}, keyFault(cfg.PublicKeyFile, errors.New("not the public half of the signing key"))
	}
	return keys, nil
}

func loadMACKey(path string) ([]byte, error) {
	text, err := readKey(path)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) < 32 {
		return nil, keyFault(path, errors.New("not 32 bytes in base64"))
	}
	return key, nil
}

func loadPublicKey(path string) (note.Verifier, error) {
	text, err := readKey(path)
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(text)
	if err != nil {
		return nil, keyFault(path, errors.New("not a public key"))
	}
	return verifier, nil
}

// Derive gives a key for another use of the municipality's secret, by HKDF (RFC 5869):
// whoever has it learns nothing of the record's keys. The same use gives the same key.
func (k Keys) Derive(use string) ([32]byte, error) {
	derived, err := hkdf.Key(sha256.New, k.mac, nil, "kakehashi "+use, 32)
	if err != nil {
		return [32]byte{}, fmt.Errorf("derive a key: %w", err)
	}
	return [32]byte(derived), nil
}

// digest is the keyed digest of what stood in one field of a search.
func (k Keys) digest(field, value string) string {
	h := hmac.New(sha256.New, k.mac)
	h.Write([]byte(digestTag + field + "\n" + value))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}
