package audit

import (
	"fmt"
	"slices"
	"sort"
)

// Where several writers write at once, each has many transactions open at a time, so its
// numbers stand in no order. What is judged is the whole of them: up to a writer's last
// number, each is borne by an entry, or void by the word of an entry. Of a writer that
// lives, those that its open transactions may bear are not judged yet.

// sawBeside takes the number of an entry that can be believed, and those that it says are
// void.
func (n *numbering) sawBeside(w *writerNumbers, r *row) {
	var twice bool
	if w.there, twice = insertSpan(w.there, span{r.number, r.number}); twice {
		w.twice.add(r.number)
	}
	if voids, ok := splitSpans(r.void); ok {
		n.void(w, voids)
	}
}

func (n *numbering) void(w *writerNumbers, voids []span) {
	for _, v := range voids {
		w.voids, _ = insertSpan(w.voids, v)
	}
}

// seal takes that the entry that was heeded last is sealed.
func (n *numbering) seal() {
	for _, writer := range n.ended {
		n.sealedEnds[writer] = true
	}
}

// judge finds the numbers that nothing bears. Entries that are known not to be there bear
// as many of them as missing says.
func (n *numbering) judge(lives map[string]int64, missing int64) {
	var count int64
	var lacking []*writerNumbers
	for writer := range n.ends {
		n.of(writer)
	}
	for name, w := range n.writers {
		last := n.ends[name]
		if top := len(w.there) - 1; top >= 0 {
			last = max(last, w.there[top].to)
		}
		if low, alive := lives[name]; alive && n.ends[name] == 0 {
			last = min(last, low-1)
		}
		w.gaps = complement(last, w.there, w.voids, w.claimed)
		for _, g := range w.gaps {
			count += g.to - g.from + 1
		}
		if len(w.gaps) > 0 {
			lacking = append(lacking, w)
		}
	}
	if count > missing {
		return
	}
	for _, w := range lacking {
		if len(lacking) == 1 && count == missing {
			n.name(w)
		}
		w.gaps = nil
	}
}

// name gives the entries that are not there the numbers that their writer lacks.
func (n *numbering) name(w *writerNumbers) {
	claim := 0
	for _, g := range w.gaps {
		for number := g.from; number <= g.to && claim < maxFound; number++ {
			n.names[claim] = fmt.Sprintf("%s/%d", w.name, number)
			claim++
		}
	}
}

// complement gives what of 1 to last is in none of the lists.
func complement(last int64, lists ...[]span) []span {
	var all []span
	for _, list := range lists {
		all = append(all, list...)
	}
	var gaps []span
	due := int64(1)
	for _, v := range merge(all) {
		if to := min(v.from-1, last); due <= to {
			gaps = append(gaps, span{due, to})
		}
		due = max(due, v.to+1)
	}
	if due <= last {
		gaps = append(gaps, span{due, last})
	}
	return gaps
}

// insertSpan adds a span to spans that are in order and do not touch, and tells whether
// some of it was there already.
func insertSpan(spans []span, v span) ([]span, bool) {
	from := sort.Search(len(spans), func(i int) bool { return spans[i].to >= v.from-1 })
	to, overlaps := from, false
	for ; to < len(spans) && spans[to].from <= v.to+1; to++ {
		overlaps = overlaps || spans[to].from <= v.to && v.from <= spans[to].to
		v = span{min(v.from, spans[to].from), max(v.to, spans[to].to)}
	}
	return slices.Replace(spans, from, to, v), overlaps
}
