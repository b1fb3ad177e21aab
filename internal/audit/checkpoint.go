package audit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"golang.org/x/mod/sumdb/note"

	"kakehashi/internal/fault"
)

// checkpoint is the head of the tree at one size.
type checkpoint struct {
	size int64
	root []byte
	note string    // signed
	at   time.Time // when it was signed; zero: it does not say
	nth  int       // of which note of the file, counted from 0, it is
}

// tree grows the Merkle tree by its right edge alone.
type tree struct{ edge *compact.Range }

func newTree() *tree { return &tree{edge: factory().NewEmptyRange(0)} }

func factory() *compact.RangeFactory { return &compact.RangeFactory{Hash: node} }

// restoreTree goes on from the roots of the perfect subtrees, left to right.
func restoreTree(size int64, hashes []byte) (*tree, error) {
	if size < 0 || len(hashes)%hashSize != 0 {
		return nil, errors.New("the edge of the tree is of another length")
	}
	var parts [][]byte
	for rest := bytes.Clone(hashes); len(rest) > 0; rest = rest[hashSize:] {
		parts = append(parts, rest[:hashSize:hashSize])
	}
	edge, err := factory().NewRange(0, uint64(size), parts)
	if err != nil {
		return nil, err
	}
	return &tree{edge: edge}, nil
}

func (t *tree) add(leaf [hashSize]byte) error { return t.edge.Append(bytes.Clone(leaf[:]), nil) }

func (t *tree) size() int64 { return int64(t.edge.End()) }

// hashes are the roots of the perfect subtrees, left to right.
func (t *tree) hashes() []byte { return bytes.Join(t.edge.Hashes(), nil) }

func (t *tree) root() ([]byte, error) {
	if t.edge.End() == 0 {
		return emptyRoot(), nil
	}
	return t.edge.GetRootHash(nil)
}

func (t *tree) clone() (*tree, error) { return restoreTree(t.size(), t.hashes()) }

// sign makes the checkpoint of a tree: origin, size, root, and the time as an extension.
func sign(signer note.Signer, t *tree, at time.Time) (checkpoint, error) {
	root, err := t.root()
	if err != nil {
		return checkpoint{}, fmt.Errorf("compute the root: %w", err)
	}
	text := fmt.Sprintf("%s\n%d\n%s\nsealed %s\n", signer.Name(), t.size(),
		base64.StdEncoding.EncodeToString(root), at.UTC().Format(time.RFC3339))
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return checkpoint{}, fmt.Errorf("sign a checkpoint: %w", err)
	}
	return checkpoint{size: t.size(), root: root, note: string(signed)}, nil
}

// openCheckpoint reads a signed note and makes sure who signed it.
func openCheckpoint(signed string, verifier note.Verifier) (checkpoint, error) {
	n, err := note.Open([]byte(signed), note.VerifierList(verifier))
	if err != nil || len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 {
		return checkpoint{}, fault.New(fault.Invalid, "a checkpoint is not signed with this key, and with this key alone")
	}
	// The last character of a signature has bits that mean nothing; they must be zero, or
	// the same note could be spelt in several ways.
	if _, err := base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64); err != nil {
		return checkpoint{}, fault.New(fault.Invalid, "a checkpoint's signature is not spelt as it was signed")
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return checkpoint{}, fault.New(fault.Invalid, "a signed note is not a checkpoint of this record")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	root, rootErr := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || rootErr != nil || size < 1 || len(root) != hashSize {
		return checkpoint{}, fault.New(fault.Invalid, "a signed note is not a checkpoint of this record")
	}
	at, err := time.Parse(time.RFC3339, strings.TrimPrefix(lines[3], "sealed "))
	if err != nil {
		at = time.Time{}
	}
	return checkpoint{size: size, root: root, note: signed, at: at}, nil
}
