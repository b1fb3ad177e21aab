package audit

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// stalled is a client who takes nothing until it is let.
type stalled struct {
	began sync.Once
	taken chan struct{} // closed when the first bytes come
	let   chan struct{}
	bytes.Buffer
}

func (s *stalled) Write(b []byte) (int, error) {
	s.began.Do(func() { close(s.taken) })
	<-s.let
	return s.Buffer.Write(b)
}

func TestStalledExportsKeepNobodyFromReading(t *testing.T) {
	onEngines(t, stalledExportsKeepNobodyFromReading)
}

func stalledExportsKeepNobodyFromReading(t *testing.T, h *house) {
	h.start()
	for i := range 30 { // more than what is buffered on the way
		h.ask(fmt.Sprint("Q-", i))
	}
	var exports sync.WaitGroup
	clients := make([]*stalled, 5) // one more than there are readers
	for i := range clients {
		clients[i] = &stalled{taken: make(chan struct{}), let: make(chan struct{})}
		exports.Go(func() {
			if err := h.log.Export(context.Background(), clients[i], Filter{}); err != nil {
				t.Errorf("export: %v", err)
			}
		})
	}
	patience, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for i, c := range clients {
		select {
		case <-c.taken:
		case <-patience.Done():
			t.Errorf("export %d does not come to write while others are stalled", i)
		}
	}
	if _, _, err := h.log.Search(patience, Filter{}); err != nil {
		t.Errorf("a search beside stalled exports: %v", err)
	}
	h.ask("later")
	for _, c := range clients {
		close(c.let)
	}
	exports.Wait()
	for i, c := range clients {
		if n := strings.Count(c.String(), "\n"); n != 61 || strings.Contains(c.String(), `"later"`) {
			t.Errorf("export %d: %d lines, want the 61 entries that stood when it began", i, n)
		}
	}
	h.stop()
}

func TestExportOfSeveralPagesEndsWhereItBegan(t *testing.T) {
	onEngines(t, exportOfSeveralPagesEndsWhereItBegan)
}

func exportOfSeveralPagesEndsWhereItBegan(t *testing.T, h *house) {
	h.open()
	h.fill(3*exportPage - 1) // one entry more says that the writer opened
	more := &appending{h: h}
	if err := h.log.Export(t.Context(), more, Filter{}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(more.String(), "\n"); n != 3*exportPage || more.n == 0 {
		t.Errorf("%d lines after %d more entries, want %d", n, more.n, 3*exportPage)
	}
	h.stop()
}

// appending is a client during whose export more is recorded.
type appending struct {
	h *house
	n int
	bytes.Buffer
}

func (a *appending) Write(b []byte) (int, error) {
	a.h.fill(1)
	a.n++
	return a.Buffer.Write(b)
}
