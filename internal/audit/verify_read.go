package audit

import (
	"slices"
	"strings"

	"kakehashi/internal/store"
)

// What a stranger may have written into a column need not be of its type, so the verifier
// takes every cell as it comes.

// cursor reads the rows of a query one by one.
type cursor struct {
	*store.Cells
	tallies []*tally
}

// Next counts the row for the indexes and goes to the next.
func (c *cursor) Next() error {
	for _, t := range c.tallies {
		t.row(c.Row)
	}
	return c.Cells.Next()
}

// number gives a cell that should be a number; what is none gives -1 and false.
func (c *cursor) number(i int) (int64, bool) {
	if n, ok := c.Row[i].(int64); ok {
		return n, true
	}
	return -1, false
}

// text gives a cell that should be text.
func (c *cursor) text(i int) (string, bool) {
	s, ok := c.Row[i].(string)
	return s, ok
}

// bytes gives a cell that should be bytes.
func (c *cursor) bytes(i int) ([]byte, bool) {
	b, ok := c.Row[i].([]byte)
	return b, ok
}

// entry gives the row of an entry, and whether every cell is of its type.
func (c *cursor) entry(r *row) bool {
	var ok [13]bool
	r.id, ok[0] = c.number(0)
	r.writer, ok[1] = c.text(1)
	r.number, ok[2] = c.number(2)
	r.at, ok[3] = c.text(3)
	r.kind, ok[4] = c.text(4)
	r.lookup, ok[5] = c.text(5)
	r.staff, ok[6] = c.text(6)
	r.caseID, ok[7] = c.text(7)
	r.subjects, ok[8] = c.text(8)
	r.void, ok[9] = c.text(9)
	r.body, ok[10] = c.text(10)
	r.salt, ok[11] = c.bytes(11)
	r.mac, ok[12] = c.bytes(12)
	return !slices.Contains(ok[:], false)
}

// leaf is a row of audit_leaf.
type leaf struct {
	position, entry int64
	lookup          string
	hash            []byte
	sound           bool
}

func (c *cursor) leaf() leaf {
	var l leaf
	var entry, lookup, hash bool
	l.position, _ = c.number(0)
	l.entry, entry = c.number(1)
	l.lookup, lookup = c.text(2)
	l.hash, hash = c.bytes(3)
	l.sound = entry && lookup && hash && len(l.hash) == hashSize
	return l
}

// person is a row of audit_subject, as the entry's own column spells it.
type person struct {
	id, entry int64
	text      string
	at        string // of PostgreSQL; empty: not known
}

func (c *cursor) person() person {
	var p person
	p.id, _ = c.number(0)
	p.entry, _ = c.number(1)
	atena, fine := c.text(2)
	role, fine2 := c.text(3)
	if fine && fine2 && !strings.Contains(role, ":") {
		p.text = role + ":" + atena
	}
	if len(c.Row) > 4 {
		p.at, _ = c.text(4)
	}
	return p
}
