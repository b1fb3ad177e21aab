package audit

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// numbering follows the running numbers of every writer, as far as its entries can be
// believed.
type numbering struct {
	writers map[string]*writerNumbers
	last    *writerNumbers
	ends    map[string]int64 // of writers, what a successor says their last number is
	losses  []loss
	wild    int64          // entries since the last that cannot be believed
	absent  []int          // claims since the last whose entries are not there
	names   map[int]string // of claims whose entries are not there

	beside     bool            // several writers write at once, each many transactions at a time
	ended      []string        // the writers that the last entry settles
	sealedEnds map[string]bool // of writers, that their settlement is sealed
}

type writerNumbers struct {
	name   string
	next   int64 // the number that is due
	gaps   []span
	voids  []span
	twice  some[int64]
	late   some[int64] // that stand behind a higher one
	credit int64       // entries behind the last that are known not to be there
	wild   bool        // behind the last stand some that cannot be believed

	there   []span // where many are open at once: numbers that entries bear
	claimed []span // those of entries that cannot be believed
}

// loss is an entry that declares what is gone.
type loss struct {
	at, reason string
	size, lost int64  // trees: of the database, and of the newest checkpoint outside
	root       string // of the newest checkpoint outside, in base64
	stands     int64  // entries that the database had, sealed or not
	until      int    // which note of the file that checkpoint is; -1: none
}

func newNumbering() numbering {
	return numbering{writers: map[string]*writerNumbers{}, ends: map[string]int64{}, names: map[int]string{}, sealedEnds: map[string]bool{}}
}

// of gives what is known of a writer's numbers.
func (n *numbering) of(writer string) *writerNumbers {
	w := n.writers[writer]
	if w == nil {
		w = &writerNumbers{name: writer, next: 1}
		n.writers[writer] = w
	}
	return w
}

// disbelieve takes an entry that is not what was written.
func (n *numbering) disbelieve(r *row) {
	n.wild++
	if n.beside && r.number > 0 {
		w := n.of(r.writer)
		w.claimed, _ = insertSpan(w.claimed, span{r.number, r.number})
	}
}

// saw takes the number of an entry that can be believed.
func (n *numbering) saw(r *row) {
	w := n.of(r.writer)
	if n.beside {
		n.sawBeside(w, r)
		return
	}
	switch {
	case r.number == w.next:
		w.next++
	case r.number > w.next:
		n.gap(w, span{w.next, r.number - 1})
		w.next = r.number + 1
	case inSpans(w.gaps, r.number):
		// A writer counts as it commits. A leaf would say so; what has none yet says it here.
		w.gaps = without(w.gaps, span{r.number, r.number})
		w.late.add(r.number)
	default:
		w.twice.add(r.number)
	}
	if voids, ok := splitSpans(r.void); ok && len(w.voids) < maxFound {
		w.voids = append(w.voids, voids...)
	}
	n.credit()
	n.last = w
}

// gap takes numbers that are skipped. Entries that are known not to be there bear them,
// or such as cannot be believed, which may have declared others void; only what is left
// is a finding of its own.
func (n *numbering) gap(w *writerNumbers, g span) {
	if n.wild > 0 {
		return
	}
	if n.last != nil && n.last != w {
		n.credit()
	}
	if int64(len(n.absent)) == g.to-g.from+1 {
		for i, claim := range n.absent {
			n.names[claim] = fmt.Sprintf("%s/%d", w.name, g.from+int64(i))
		}
	}
	g.from += int64(len(n.absent))
	n.absent = nil
	if g.from <= g.to && len(w.gaps) < maxFound {
		w.gaps = append(w.gaps, g)
	}
}

// credit gives the last writer what stood behind its last entry.
func (n *numbering) credit() {
	if n.last != nil {
		for i, claim := range n.absent {
			if n.wild == 0 {
				n.names[claim] = fmt.Sprintf("%s/%d", n.last.name, n.last.next+int64(i))
			}
		}
		n.last.credit += int64(len(n.absent))
		n.last.wild = n.wild > 0
	}
	n.absent, n.wild = nil, 0
}

// heed takes what an entry says about the record itself.
func (n *numbering) heed(r *row) {
	e, err := r.decode()
	if err != nil {
		return // its leaf says that it was edited
	}
	if e.Kind == Loss {
		size, _ := strconv.ParseInt(e.Detail["size"], 10, 64)
		lost, _ := strconv.ParseInt(e.Detail["lost_size"], 10, 64)
		stands, _ := strconv.ParseInt(e.Detail["entries"], 10, 64)
		n.losses = append(n.losses, loss{at: r.at, reason: e.Reason, size: size, lost: lost, root: e.Detail["lost_root"], stands: max(stands, size), until: -1})
		return
	}
	n.ended = n.ended[:0]
	for part := range strings.SplitSeq(e.Detail["settled"], ",") {
		writer, last, ok := strings.Cut(part, "/")
		if end, err := strconv.ParseInt(last, 10, 64); ok && err == nil {
			n.ends[writer] = end
			n.ended = append(n.ended, writer)
		}
	}
	if voids, ok := splitSpans(e.Detail["void"]); ok && e.Kind == Settled && len(n.ended) == 1 {
		n.void(n.of(n.ended[0]), voids)
	}
}

// gone gives the names of entries that were numbered and are not there, and how many.
func (n *numbering) gone() (names []string, count int64) {
	for writer, end := range n.ends {
		w := n.of(writer)
		if n.beside {
			break // judged already
		}
		if from := w.next + w.credit; from <= end && !w.wild {
			w.gaps = append(w.gaps, span{from, end})
		}
	}
	for _, writer := range slices.Sorted(maps.Keys(n.writers)) {
		w := n.writers[writer]
		gaps := w.gaps
		for _, v := range w.voids {
			gaps = without(gaps, v)
		}
		for _, g := range gaps {
			count += g.to - g.from + 1
			for number := g.from; number <= g.to && len(names) < maxProblems; number++ {
				names = append(names, fmt.Sprintf("%s/%d", writer, number))
			}
		}
	}
	return names, count
}

// twice gives the names of entries whose number another bears as well.
func (n *numbering) twice() []string {
	return n.named(func(w *writerNumbers) []int64 { return w.twice.first })
}

// late gives the names of entries that stand behind one that was written after them.
func (n *numbering) late() []string {
	return n.named(func(w *writerNumbers) []int64 { return w.late.first })
}

func (n *numbering) named(of func(*writerNumbers) []int64) (names []string) {
	for _, writer := range slices.Sorted(maps.Keys(n.writers)) {
		for _, number := range of(n.writers[writer]) {
			names = append(names, fmt.Sprintf("%s/%d", writer, number))
		}
	}
	return names
}

// without takes the numbers of a span out of spans.
func without(spans []span, v span) []span {
	var left []span
	for _, s := range spans {
		if s.to < v.from || v.to < s.from {
			left = append(left, s)
			continue
		}
		if s.from < v.from {
			left = append(left, span{s.from, v.from - 1})
		}
		if v.to < s.to {
			left = append(left, span{v.to + 1, s.to})
		}
	}
	return left
}
