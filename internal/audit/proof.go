package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// Proof shows, to whoever has the public key, that the entries of one lookup stand in the
// record as they are given here. Its JSON is its form.
type Proof struct {
	Checkpoint string        `json:"checkpoint"` // signed note
	Entries    []ProvedEntry `json:"entries"`
}

// ProvedEntry is one entry as it is stored, and the hashes between its leaf and the root.
type ProvedEntry struct {
	Position int64    `json:"position"`
	Writer   string   `json:"writer"`
	Number   int64    `json:"number"`
	At       string   `json:"at"`
	Kind     string   `json:"kind"`
	Lookup   string   `json:"lookup"`
	Staff    string   `json:"staff"`
	Case     string   `json:"case"`
	Subjects string   `json:"subjects"`
	Void     string   `json:"void"`
	Body     string   `json:"body"`
	Salt     []byte   `json:"salt"`
	MAC      []byte   `json:"mac"`
	Path     [][]byte `json:"path"`
}

func (e ProvedEntry) row() *row {
	return &row{
		writer: e.Writer, number: e.Number, at: e.At, kind: e.Kind, lookup: e.Lookup, staff: e.Staff, caseID: e.Case,
		subjects: e.Subjects, void: e.Void, body: e.Body, salt: e.Salt, mac: e.MAC,
	}
}

// Proof makes the proof of a lookup's sealed entries against the newest checkpoint. It is
// NotFound where no entry of the lookup is sealed. It reads every leaf of the tree.
func (l *Log) Proof(ctx context.Context, lookup string) (Proof, error) {
	var p Proof
	err := store.Read(ctx, l.db, func(ctx context.Context, tx *store.Tx) error {
		size, _, signed, err := lastCheckpoint(ctx, tx)
		if err != nil {
			return err
		}
		p.Checkpoint = signed
		if p.Entries, err = sealedOf(ctx, tx, lookup); err != nil {
			return err
		}
		if len(p.Entries) == 0 {
			return fault.New(fault.NotFound, "no entry of this lookup is sealed").WithCode("KKH3111")
		}
		return p.addPaths(ctx, tx, size)
	})
	if err != nil {
		return Proof{}, fmt.Errorf("prove a lookup: %w", err)
	}
	return p, nil
}

func sealedOf(ctx context.Context, tx *store.Tx, lookup string) (found []ProvedEntry, err error) {
	from := "audit_leaf c CROSS JOIN audit_entry e ON e.id = c.entry"
	if tx.Engine() == store.Postgres {
		from = "audit_leaf c CROSS JOIN " + entryOfC
	}
	err = queryRows(ctx, tx, func(rows *store.Rows) error {
		var e ProvedEntry
		err := rows.Scan(&e.Position, &e.Writer, &e.Number, &e.At, &e.Kind, &e.Lookup, &e.Staff, &e.Case,
			&e.Subjects, &e.Void, &e.Body, &e.Salt, &e.MAC)
		found = append(found, e)
		return err
	}, `SELECT c.position, e.writer, e.number, e.at, e.kind, e.lookup, e.staff, e.case_id, e.subjects, e.void, e.body, e.salt, e.mac
		FROM `+from+` WHERE c.lookup <> '' AND c.lookup = $1 ORDER BY c.position`, lookup)
	return found, err
}

// addPaths grows the tree once and keeps the nodes that the entries' paths need.
func (p *Proof) addPaths(ctx context.Context, tx *store.Tx, size int64) error {
	needed := map[compact.NodeID][]byte{}
	paths := make([]proof.Nodes, len(p.Entries))
	for i, e := range p.Entries {
		var err error
		if paths[i], err = proof.Inclusion(uint64(e.Position), uint64(size)); err != nil {
			return err
		}
		for _, id := range paths[i].IDs {
			needed[id] = nil
		}
	}
	keep := func(id compact.NodeID, hash []byte) {
		if _, ok := needed[id]; ok {
			needed[id] = hash
		}
	}
	edge := factory().NewEmptyRange(0)
	leaves, err := tx.Cells(ctx, "SELECT hash FROM audit_leaf ORDER BY position")
	if err != nil {
		return err
	}
	for ; leaves.Live && err == nil; err = leaves.Next() {
		hash, ok := leaves.Row[0].([]byte)
		if !ok {
			err = inconsistent("a leaf is not a hash")
			break
		}
		if err = edge.Append(hash, keep); err != nil {
			break
		}
	}
	if closing := leaves.Close(); err == nil {
		err = closing
	}
	if err == nil {
		_, err = edge.GetRootHash(keep)
	}
	if err != nil {
		return err
	}
	for i, nodes := range paths {
		hashes := make([][]byte, len(nodes.IDs))
		for j, id := range nodes.IDs {
			hashes[j] = needed[id]
		}
		if p.Entries[i].Path, err = nodes.Rehash(hashes, node); err != nil {
			return err
		}
	}
	return nil
}

// Proved is what a proof proves: that these entries stand in the record, as they are here.
// It does not prove that there are no others of the lookup.
type Proved struct {
	Lookup   string
	Entries  []Record
	Sealed   int64     // entries under the checkpoint
	SealedAt time.Time // when it was signed
	Signer   string    // the name of the key
}

// CheckProof makes sure, without database or gateway, that the proof holds for the public
// key. It is Invalid where it does not; the reason is form, key, checkpoint, empty, order,
// lookup or entry.
func CheckProof(p Proof, publicKey string) (Proved, error) {
	verifier, err := note.NewVerifier(strings.TrimSpace(publicKey))
	if err != nil {
		return Proved{}, unproved("key", "the public key is none")
	}
	head, err := openCheckpoint(p.Checkpoint, verifier)
	if err != nil {
		return Proved{}, unproved("checkpoint", "the checkpoint is not signed with this key")
	}
	if len(p.Entries) == 0 {
		return Proved{}, unproved("empty", "it holds no entry")
	}
	proved := Proved{Lookup: p.Entries[0].Lookup, Sealed: head.size, SealedAt: head.at, Signer: verifier.Name()}
	h := newHasher(nil)
	last := int64(-1)
	for _, e := range p.Entries {
		r := e.row()
		switch {
		case e.Position <= last:
			return Proved{}, unproved("order", "its entries are not in the record's order")
		case e.Lookup == "" || e.Lookup != proved.Lookup:
			return Proved{}, unproved("lookup", "its entries are not of one lookup")
		}
		last = e.Position
		leaf := h.leaf(r, h.content(r))
		err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(e.Position), uint64(head.size), leaf[:], e.Path, head.root)
		if err != nil {
			return Proved{}, unproved("entry", "entry "+r.name()+" is not under the checkpoint")
		}
		record, err := r.record(e.Position)
		if err != nil {
			return Proved{}, unproved("form", "entry "+r.name()+" cannot be read")
		}
		proved.Entries = append(proved.Entries, record)
	}
	return proved, nil
}

func unproved(reason, what string) error {
	return fault.New(fault.Invalid, "the proof does not hold: %s", what).WithCode("KKH3112").WithReason(reason)
}

// ParseProof reads the JSON of a proof, which holds nothing else.
func ParseProof(text []byte) (Proof, error) {
	var p Proof
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(&p); err != nil {
		return Proof{}, unproved("form", "it cannot be read")
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return Proof{}, unproved("form", "something stands behind it")
	}
	return p, nil
}
