package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// Everything that is hashed begins with a tag that no other use shares, and every part of
// variable length is preceded by its length.
const (
	contentTag = "kakehashi entry content 1\n"
	macTag     = "kakehashi entry mac 1\n"
	leafTag    = "kakehashi entry leaf 1\n"
	digestTag  = "kakehashi search digest 1\n"
)

const (
	saltSize = 16
	hashSize = sha256.Size
)

// hasher computes the hashes of entries. It is used by one goroutine at a time.
type hasher struct {
	keyed hash.Hash // nil: without the key
	buf   []byte
}

func newHasher(macKey []byte) *hasher {
	h := &hasher{}
	if macKey != nil {
		h.keyed = hmac.New(sha256.New, macKey)
	}
	return h
}

func (h *hasher) part(s string) {
	h.buf = binary.BigEndian.AppendUint32(h.buf, uint32(len(s)))
	h.buf = append(h.buf, s...)
}

// content binds what an entry says: all but its writer and number. The persons it
// concerns go in as a salted digest, so that an entry can be proved without naming them.
func (h *hasher) content(r *row) [hashSize]byte {
	persons := [hashSize]byte{}
	if r.subjects != "" {
		h.buf = append(append(h.buf[:0], r.salt...), r.subjects...)
		persons = sha256.Sum256(h.buf)
	}
	h.buf = append(h.buf[:0], contentTag...)
	h.buf = append(h.buf, persons[:]...)
	h.buf = binary.BigEndian.AppendUint32(h.buf, uint32(len(r.salt)))
	h.buf = append(h.buf, r.salt...)
	for _, s := range [...]string{r.at, r.kind, r.lookup, r.staff, r.caseID, r.void, r.body} {
		h.part(s)
	}
	return sha256.Sum256(h.buf)
}

func (h *hasher) place(tag string, r *row, content [hashSize]byte) {
	h.buf = append(h.buf[:0], tag...)
	h.part(r.writer)
	h.buf = binary.BigEndian.AppendUint64(h.buf, uint64(r.number))
	h.buf = append(h.buf, content[:]...)
}

// mac is the keyed hash of an entry in its place among its writer's.
func (h *hasher) mac(r *row, content [hashSize]byte) []byte {
	h.place(macTag, r, content)
	h.keyed.Reset()
	h.keyed.Write(h.buf)
	return h.keyed.Sum(nil)
}

// fits tells whether the entry's keyed hash is the one of its content and place.
func (h *hasher) fits(r *row, content [hashSize]byte) bool {
	return !r.mistyped && hmac.Equal(h.mac(r, content), r.mac)
}

// leaf is the entry's leaf in the tree: RFC 6962's hash of a salted hash of the entry.
func (h *hasher) leaf(r *row, content [hashSize]byte) [hashSize]byte {
	h.place(leafTag, r, content)
	h.buf = append(h.buf, r.salt...)
	h.buf = append(h.buf, r.mac...)
	salted := sha256.Sum256(h.buf)
	var leaf [1 + hashSize]byte // 0x00: a leaf
	copy(leaf[1:], salted[:])
	return sha256.Sum256(leaf[:])
}

// node is RFC 6962's hash of a node's children.
func node(left, right []byte) []byte {
	var both [1 + 2*hashSize]byte
	both[0] = 1
	copy(both[1:], left)
	copy(both[1+hashSize:], right)
	sum := sha256.Sum256(both[:])
	return sum[:]
}

// emptyRoot is RFC 6962's root of a tree without leaves.
func emptyRoot() []byte {
	sum := sha256.Sum256(nil)
	return sum[:]
}
