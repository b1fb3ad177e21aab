package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// explain says in plain words what was done to the record.
func (w *walk) explain() {
	w.explainParts()
	w.explainEntries()
	w.explainTail()
	w.explainQueue()
	w.explainPersons()
	w.explainHeads()
	w.explainLosses()
	if n := w.found.resealed; n > 0 {
		// The file of checkpoints proves entries that the database has yet to seal.
		w.report.Sealed += n
		w.report.Unproved -= n
	}
}

// explainParts names what is gone as a whole.
func (w *walk) explainParts() {
	add := func(format string, args ...any) { w.report.add(Missing, "", format, args...) }
	if w.report.Entries == 0 {
		if sealed := max(w.found.tail, w.found.lostMost); sealed > 0 {
			add("記録がすべて失われています。%d件あったはずです。", sealed)
		} else {
			add("記録が1件もありません。")
		}
	}
	switch {
	case w.file.unread:
		add("封印の控えのファイルを読めません。末尾が削られていても見つけられません。")
	case w.fileGone:
		add("封印の控えのファイルがありません。末尾が削られていても見つけられません。")
	case !w.file.any && w.notes > 1 && w.file.stillEmpty(): // the first may be on its way to the file
		add("封印の控えのファイルが空です。末尾が削られていても見つけられません。")
	case w.file.broken > 0:
		w.report.add(Edited, "", "封印の控えのファイルに、この鍵で署名されていないものが%d件あります。", w.file.broken)
	}
	if w.tree.size() > 0 && w.lastNote == 0 && w.found.heads.n+w.found.ahead.n == 0 {
		add("葉が%d件あるのに、封印がすべて失われています。", w.tree.size())
	}
	if w.found.leafless.n > 0 && w.tree.size() == 0 && w.found.ahead.n > 0 {
		add("封印の葉がすべて失われています。")
	}
}

// explainEntries names the entries that are not what was sealed, one by one.
func (w *walk) explainEntries() {
	f := &w.found
	moved := append(append(append([]claim{}, f.wrong.first...), f.missing.first...), f.unleafed.first...)
	moved = append(moved, f.leafless.first...)
	has, wants := make([][hashSize]byte, len(moved)), make([][hashSize]byte, len(moved))
	for i, c := range moved {
		has[i], wants[i] = c.has, c.wants
		if c.has == ([hashSize]byte{}) {
			has[i][0] = 1 // nothing stands there; equal to nothing that is wanted
		}
	}
	target := exchanged(has, wants)
	for i, c := range f.wrong.first {
		if at := target[i]; at >= 0 && at < len(f.wrong.first) {
			w.report.add(Reordered, c.name, "第%d件の場所に、第%d件の内容（%s）があります。順序が入れ替えられています。",
				c.place, moved[at].place, c.name)
		} else {
			w.report.add(Edited, c.name, "第%d件（%s）の内容が、封印したときと一致しません。", c.place, c.name)
		}
	}
	for i, c := range f.missing.first {
		name := w.numbers.names[i]
		if name == "" {
			name = fmt.Sprint(c.place)
		}
		w.report.add(Deleted, name, "第%d件（%s）が削除されています。", c.place, name)
	}
	for _, c := range f.unleafed.first {
		w.report.add(Deleted, c.name, "第%d件（%s）の葉が削除されています。", c.place, c.name)
	}
	for _, l := range f.astrayLeaves.first {
		w.report.add(Edited, fmt.Sprint(l.position+1), "葉の位置が書き換えられています（%d）。", l.position)
	}
	for _, name := range f.refused.first {
		w.report.add(Edited, name, "%s は、封印するときに照合できませんでした。書き込んだ内容と一致しません。", name)
	}
	for _, name := range f.unfit.first {
		w.report.add(Edited, name, "%s（封印前）の内容が、書き込んだときと一致しません。", name)
	}
	for _, name := range w.numbers.twice() {
		w.report.add(Edited, name, "%s と同じ番号の記録が、もう1件あります。", name)
	}
	for _, name := range w.numbers.late() {
		w.report.add(Reordered, name, "%s（封印前）が、あとに書かれた記録のうしろにあります。順序が入れ替えられています。", name)
	}
	names, count := w.numbers.gone()
	for _, name := range names {
		w.report.add(Deleted, name, "%s が削除されています。欠番の届けがありません。", name)
	}
	if rest := count - int64(len(names)); rest > 0 {
		w.report.add(Deleted, "", "このほかに%d件の記録が削除されています。", rest)
	}
}

// explainTail says what is gone from the end of the entries or of the leaves.
func (w *walk) explainTail() {
	f := &w.found
	if n := f.queueTail; n > 0 && n == f.leafless.n && f.tail == 0 {
		for _, c := range f.leafless.first {
			w.report.add(Edited, c.name, "封印待ちの列の %s の行が書き換えられています。", c.name)
		}
		return
	}
	if n := f.tail + f.queueTail; n > 0 && w.report.Entries > 0 {
		w.report.add(Cut, fmt.Sprint(w.lastID+1), "記録の末尾が%d件少なくなっています。", n)
	}
	if f.leafless.n == 0 {
		return
	}
	if f.ahead.n > 0 || f.lostMost > w.tree.size() {
		if w.tree.size() > 0 {
			w.report.add(Cut, f.leafless.first[0].name, "封印の葉の末尾が%d件少なくなっています。", f.leafless.n)
		}
		return
	}
	for _, c := range f.leafless.first {
		w.report.add(Deleted, c.name, "%s は封印されておらず、封印待ちの列からも削除されています。", c.name)
	}
}

func (w *walk) explainQueue() {
	for _, id := range w.found.lostWaiting.first {
		w.report.add(Deleted, "", "封印を待っていた記録（%d）が削除されています。", id)
	}
	for _, id := range w.found.astrayQueue.first {
		w.report.add(Edited, "", "封印待ちの列に、あるはずのない行（%d）があります。", id)
	}
}

// explainPersons names the persons' rows that are not what their entries say.
func (w *walk) explainPersons() {
	f := &w.found
	wrong := f.wrongPersons.first
	has, wants := make([]string, len(wrong)), make([]string, len(wrong))
	for i, m := range wrong {
		has[i] = fmt.Sprint(m.has.entry, " ", m.has.text)
		wants[i] = fmt.Sprint(m.want.entry, " ", m.want.text)
	}
	target := exchanged(has, wants)
	for i, m := range wrong {
		if target[i] >= 0 {
			w.report.add(Reordered, m.name, "%s の対象者の行が、%s の行と入れ替えられています。", m.name, wrong[target[i]].name)
		} else {
			w.report.add(Edited, m.name, "%s の対象者の行が書き換えられています。", m.name)
		}
	}
	last := 0
	for _, m := range f.lostPersons.first {
		if m.last && len(f.astrayPersons.first) == 0 {
			last++
			continue
		}
		w.report.add(Deleted, m.name, "%s の対象者の行が削除されています。", m.name)
	}
	switch {
	case last > 0 && f.lostPersons.n == w.person:
		w.report.add(Missing, "", "対象者の行がすべて失われています。%d件あったはずです。", w.person)
	case last > 0:
		w.report.add(Cut, f.lostPersons.first[len(f.lostPersons.first)-last].name, "対象者の行の末尾が%d件少なくなっています。", last)
	}
	for _, p := range f.astrayPersons.first {
		w.report.add(Edited, "", "どの記録のものでもない対象者の行（%d）があります。", p.id)
	}
}

// explainHeads names the checkpoints that do not fit the tree.
func (w *walk) explainHeads() {
	f := &w.found
	wrong := f.heads.first
	has, wants := make([]int64, len(wrong)), make([]int64, len(wrong))
	for i, h := range wrong {
		has[i], wants[i] = h.signed, h.size
	}
	target := exchanged(has, wants)
	for i, h := range wrong {
		if target[i] >= 0 {
			w.report.add(Reordered, fmt.Sprint(h.size), "%d件目までの封印と、%d件目までの封印が入れ替えられています。", h.size, h.signed)
		} else {
			w.report.add(Edited, fmt.Sprint(h.size), "%d件目までの封印が書き換えられています。", h.size)
		}
	}
	for _, c := range f.unheaded.first {
		switch {
		case slices.ContainsFunc(w.numbers.losses, func(l loss) bool { return l.size < c.size && c.nth <= l.until }):
			// Its database is lost, which is told, and its entries stand here: sealed anew.
		case c.size > w.lastNote:
			w.report.add(Cut, fmt.Sprint(c.size), "封印の末尾が失われています（%d件目まで）。", c.size)
		default:
			w.report.add(Deleted, fmt.Sprint(c.size), "%d件目までの封印が削除されています。", c.size)
		}
	}
	for _, size := range f.unfiled.first {
		w.report.add(Deleted, fmt.Sprint(size), "%d件目までの封印が、控えのファイルから削除されています。", size)
	}
	if f.badRoot > 0 && f.sound() {
		w.report.add(Edited, fmt.Sprint(f.goodRoot+1), "第%d件から第%d件までのどれかが、封印したときと一致しません。", f.goodRoot+1, f.badRoot)
	}
	if n := w.tree.size(); n > w.lastNote && w.lastNote > 0 && f.unheaded.n == 0 && f.ahead.n == 0 && f.heads.n == 0 && f.tail == 0 {
		w.report.add(Cut, fmt.Sprint(w.lastNote+1), "第%d件から先の封印が失われています。", w.lastNote+1)
	}
	for _, h := range f.ahead.first {
		switch {
		case h.forged:
			w.report.add(Edited, fmt.Sprint(h.size), "%d件目までの封印が書き換えられています。", h.size)
		case h.signed != h.size:
			w.report.add(Edited, fmt.Sprint(h.signed), "%d件目までの封印が、別の場所（%d）にあります。", h.signed, h.size)
		case f.leafless.n == 0 && f.tail == 0:
			w.report.add(Cut, fmt.Sprint(w.tree.size()+1), "末尾が%d件少なくなっています。封印は%d件目までありました。", h.size-w.tree.size(), h.size)
		}
	}
}

// explainLosses says what checkpoints outside the database know and the database does not.
func (w *walk) explainLosses() {
	var undeclared, contradicted int64
	for _, r := range w.found.lostHeads {
		switch {
		case slices.ContainsFunc(w.numbers.losses, func(l loss) bool { return l.size < r.smallest && r.last <= l.until }):
			// Told below, once for each loss. What came into the file later is another loss.
		case r.largest <= w.tree.size():
			contradicted = r.largest
		default:
			undeclared = max(undeclared, r.largest)
		}
	}
	if contradicted > 0 && w.found.sound() && w.found.badRoot == 0 {
		w.report.add(Edited, "", "%d件目までの記録が、控えのファイルにある封印と一致しません。別の記録に置き換えられています。", contradicted)
	}
	if undeclared > 0 && w.report.Entries > 0 && w.found.leafless.n == 0 && w.found.tail == 0 {
		// Entries that wait for their seal stand there: a backup has taken them along.
		stands := w.tree.size() + w.found.waiting.n
		if stands >= undeclared {
			stands = w.tree.size()
		}
		w.report.add(Cut, fmt.Sprint(stands+1),
			"末尾が%d件少なくなっています。控えのファイルには%d件目までの封印があります。", undeclared-stands, undeclared)
	}
	for _, l := range w.numbers.losses {
		day := strings.TrimSuffix(l.at, "Z")
		if at, err := time.Parse(timeForm, l.at); err == nil {
			day = at.In(time.FixedZone("JST", 9*60*60)).Format("2006年1月2日15時04分")
		}
		if l.reason == "checkpoints_file_missing" {
			w.report.add(Missing, "", "封印の控えのファイルが失われたため、作り直されています（%sに申告済み）。", day)
			continue
		}
		if l.stands >= l.lost { // what stands there was never what the checkpoints say
			l.stands = l.size
		}
		w.report.add(Cut, fmt.Sprint(l.stands+1), "第%d件から第%d件までが失われています（%sに申告済み）。", l.stands+1, l.lost, day)
	}
}
