package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"
)

// result is what became of everything in a scenario.
type result struct {
	name, skipped                       string
	actions                             int
	answers, unrecorded, doubted        int
	changes, delivered, asked, behind   int
	lost, twice, disorder               int
	published, again                    int
	refused, broken, repeated, byItself int
	longest, recovered                  time.Duration
	record                              string
	amiss                               []string
	refusals                            map[string]int
}

// wrong notes what must not be; the same thing many times over is noted a few times.
func (r *result) wrong(format string, args ...any) {
	r.amiss = append(r.amiss, fmt.Sprintf(format, args...))
}

// play runs one scenario from an empty city to the account.
func (b *bench) play(ctx context.Context, s scenario) (*result, error) {
	r := &result{name: s.name, record: "-"}
	if err := b.heal(ctx); err != nil {
		return nil, err
	}
	w, err := b.newWorld(ctx, s.name)
	if err != nil {
		return nil, err
	}
	err = w.play(ctx, s, r)
	return r, errors.Join(err, w.close())
}

func (w *world) play(ctx context.Context, s scenario, r *result) error {
	l := newLoad(ctx, w)
	under := time.Duration(w.seconds) * time.Second
	presses, asks := 12*w.seconds, 30*w.seconds
	if s.presses > 0 {
		presses, asks, under = s.presses, s.asks, s.lasts
	}
	striking, over := context.WithTimeout(ctx, under)
	defer over()
	var trouble sync.WaitGroup
	var struck error
	trouble.Go(func() { r.actions, struck = s.strike(striking, w) })
	l.pace(ctx, presses, asks, under)
	over()
	trouble.Wait()
	if err := errors.Join(struck, w.heal(ctx), w.everybodyBack(ctx, r)); err != nil {
		l.giveUp()
		l.finish(time.Second)
		return err
	}
	l.finish(2 * time.Minute)
	r.take(l)
	return w.account(ctx, l, r)
}

// everybodyBack lets every gateway run again and waits until all say that they are ready.
func (w *world) everybodyBack(ctx context.Context, r *result) error {
	begun := time.Now()
	for _, g := range w.gateways {
		g.signal(syscall.SIGCONT)
		if !g.wants() {
			if err := g.start(w.program); err != nil {
				return err
			}
		}
	}
	for _, g := range w.gateways {
		if err := g.ready(ctx, "/readyz", 90*time.Second); err != nil {
			r.wrong("%v", err)
			return nil
		}
	}
	r.recovered = time.Since(begun)
	return nil
}

// take notes how it went for those who worked.
func (r *result) take(l *load) {
	r.amiss = append(r.amiss, l.amiss...)
	r.broken, r.repeated, r.longest, r.refusals = l.broken, l.repeated, l.longest, l.refused
	for _, n := range l.refused {
		r.refused += n
	}
}

// account waits until nothing moves any more, stops the gateways and holds everything that
// was said against everything that is there.
func (w *world) account(ctx context.Context, l *load, r *result) error {
	moving, err := w.settle(ctx, 2*time.Minute)
	if err != nil {
		return err
	}
	if len(moving) > 0 {
		r.wrong("%d changes still move after two minutes, one of them %s %s: %s", len(moving), moving[0].Kind, moving[0].State, moving[0].Cause)
	}
	if err := errors.Join(w.reckon(ctx, l.promised, r), w.kept(ctx, l.given, r)); err != nil {
		return err
	}
	for i, g := range w.gateways {
		n, last := g.byItself()
		if r.byItself += n; n > 0 {
			fmt.Printf("  gateway %d ended by itself %d times, the last time %s\n", i+1, n, last)
		}
		code, err := g.stop()
		if err != nil {
			r.wrong("%v", err)
		} else if code != 0 {
			r.wrong("a gateway stopped with %d: %s", code, g.log())
		}
	}
	if err := w.verify(ctx, r); err != nil {
		return err
	}
	if r.broke() {
		r.wrong("answers without a record, changes lost, twice or out of order")
	}
	if r.answers == 0 || r.changes == 0 {
		r.wrong("too little happened to prove anything: %v", r.refusals)
	}
	if len(r.amiss) > 0 && w.keep {
		fmt.Println("  logs:", filepath.Join(w.dir, "gateway-*", "gateway.log"))
	}
	return nil
}

// broke tells whether a promise was broken.
func (r *result) broke() bool { return r.unrecorded+r.lost+r.twice+r.disorder > 0 }

// line is a result in one line, with what is amiss below it.
func (r *result) line() string {
	text := fmt.Sprintf("%-20s %d actions: %d answers, %d unrecorded, %d kept and withheld; %d changes, %d delivered, %d asked about, %d behind, %d lost, %d twice, %d out of order; "+
		"%d published, %d again; record %s; %d said no %v, %d unanswered, %d pressed again, longest wait %v, back after %v, %d ended by themselves",
		r.name, r.actions, r.answers, r.unrecorded, r.doubted, r.changes, r.delivered, r.asked, r.behind, r.lost, r.twice, r.disorder,
		r.published, r.again, r.record, r.refused, r.refusals, r.broken, r.repeated, r.longest.Round(10*time.Millisecond), r.recovered.Round(10*time.Millisecond), r.byItself)
	counts := map[string]int{}
	var order []string
	for _, a := range r.amiss {
		if counts[a]++; counts[a] == 1 {
			order = append(order, a)
		}
	}
	for _, a := range order[:min(len(order), 12)] {
		text += fmt.Sprintf("\n  AMISS %d× %s", counts[a], a)
	}
	return text
}

// printTable prints all results as a table.
func printTable(to io.Writer, results []*result) {
	out := tabwriter.NewWriter(to, 2, 0, 2, ' ', tabwriter.AlignRight)
	heads := []string{"scenario", "actions", "answers", "unrecorded", "changes", "delivered", "asked", "published", "lost", "twice", "out of order", "record", "longest", "ended", "verdict", ""}
	fmt.Fprintln(out, strings.Join(heads, "\t"))
	sum := &result{name: "all", record: "-"}
	for _, r := range results {
		if r.skipped != "" {
			fmt.Fprintf(out, "%s\t%sskipped: %s\t\n", r.name, strings.Repeat("-\t", len(heads)-3), r.skipped)
			continue
		}
		fmt.Fprintln(out, r.row())
		sum.add(r)
	}
	if len(results) > 1 {
		fmt.Fprintln(out, sum.row())
	}
	_ = out.Flush()
}

func (r *result) row() string {
	verdict := "ok"
	if len(r.amiss) > 0 {
		verdict = "AMISS"
	}
	var cells []string
	for _, cell := range []any{r.name, r.actions, r.answers, r.unrecorded, r.changes, r.delivered, r.asked, r.published, r.lost, r.twice, r.disorder,
		r.record, r.longest.Round(10 * time.Millisecond), r.byItself, verdict, ""} {
		cells = append(cells, fmt.Sprint(cell))
	}
	return strings.Join(cells, "\t")
}

// add sums up.
func (r *result) add(o *result) {
	r.actions, r.answers, r.unrecorded, r.changes = r.actions+o.actions, r.answers+o.answers, r.unrecorded+o.unrecorded, r.changes+o.changes
	r.delivered, r.asked, r.published, r.lost = r.delivered+o.delivered, r.asked+o.asked, r.published+o.published, r.lost+o.lost
	r.twice, r.disorder, r.byItself = r.twice+o.twice, r.disorder+o.disorder, r.byItself+o.byItself
	r.longest = max(r.longest, o.longest)
	r.amiss = slices.Concat(r.amiss, o.amiss)
}
