package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// Where faults are set and cleared, and where is set what keys do.
const (
	faultsPath = "/faults"
	keysPath   = "/keys"
)

// Status is what the control address says. It names nobody.
type Status struct {
	City         string            `json:"city"`
	Municipality string            `json:"municipality"`
	Today        string            `json:"today"` // base date
	ID           string            `json:"id"`    // of the folder
	PID          int               `json:"pid"`
	Faults       []SystemFault     `json:"faults"`
	Keys         map[string]string `json:"keys"` // what a system that is written to does with keys: honour or ignore
	Addresses    Addresses         `json:"addresses"`
}

// SystemFault is a fault in force.
type SystemFault struct {
	System string `json:"system"`
	Fault
}

// trouble is the control's body for a request that it refuses.
type trouble struct {
	Error string `json:"error"`
}

// control makes the server that sets and clears faults.
func (r *Running) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, r.Status()) })
	mux.HandleFunc("POST "+faultsPath, r.postFault)
	mux.HandleFunc("DELETE "+faultsPath, r.deleteFaults)
	mux.HandleFunc("POST "+keysPath, r.postKeys)
	return r.localOnly(mux)
}

// localOnly refuses what was not meant for this address: a page in a browser that goes by
// another name must not reach it.
func (r *Running) localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		host := hostPort(r.city.keeper.get().Ports[controlServer])
		if q.Host != host && q.Host != strings.Replace(host, "127.0.0.1", "localhost", 1) {
			writeJSON(w, http.StatusMisdirectedRequest, trouble{"this is the control of a sandbox; call it by its own address"})
			return
		}
		next.ServeHTTP(w, q)
	})
}

// Status gives what the control address says.
func (r *Running) Status() Status {
	s := r.city.keeper.get()
	faults := []SystemFault{}
	for _, system := range slices.Sorted(maps.Keys(s.Faults)) {
		faults = append(faults, SystemFault{system, s.Faults[system]})
	}
	return Status{
		City: MunicipalityName, Municipality: r.city.Municipality(), Today: r.city.identity.Today, ID: r.city.identity.ID,
		PID: os.Getpid(), Faults: faults, Keys: map[string]string{Address: keysWord(s.Keys[Address])}, Addresses: r.city.Addresses(),
	}
}

// SetFault makes a system behave badly, for a time or, with 0, until the fault is cleared.
// It takes the place of the system's present fault. When it returns nil the fault is in
// force and on disk. [ErrUnknown] where there is no such system or kind.
func (r *Running) SetFault(ctx context.Context, system, kind string, lasts time.Duration) error {
	return r.Break(ctx, Wish{System: system, Kind: kind, Lasts: lasts})
}

// Break is SetFault for a fault that need not strike every request.
func (r *Running) Break(ctx context.Context, w Wish) error {
	if err := w.check(); err != nil {
		return err
	}
	f := Fault{Kind: w.Kind}
	if w.Every > 1 {
		f.Every = w.Every
	}
	if w.Lasts > 0 {
		f.Until = r.city.opt.Now().Add(w.Lasts)
	}
	return r.change(ctx, "set a fault", func(s *state) bool {
		s.begin(w.System, f)
		r.strikes.forget(w.System)
		return true
	})
}

// HonourKeys has the address system promise, or not, that a write under an
// Idempotency-Key takes effect once. When it returns nil that holds and is on disk.
func (r *Running) HonourKeys(ctx context.Context, honour bool) error {
	return r.change(ctx, "set what keys do", func(s *state) bool { s.Keys[Address] = honour; return true })
}

// ClearFaults ends the fault of a system, or with "" every fault. Clearing what is not
// there is no error. When it returns nil, a system that was down listens again.
func (r *Running) ClearFaults(ctx context.Context, system string) error {
	if system != "" && !slices.Contains(Systems(), system) {
		return fmt.Errorf("clear a fault: %w: no such system", ErrUnknown)
	}
	return r.change(ctx, "clear a fault", func(s *state) bool {
		for _, faulty := range slices.Sorted(maps.Keys(s.Faults)) {
			if system == "" || system == faulty {
				s.end(faulty)
			}
		}
		return true
	})
}

// change changes the faults, and doors with them. Stand-ins that have stopped refuse: the
// folder may be another's by now.
func (r *Running) change(ctx context.Context, what string, change func(*state) bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return fmt.Errorf("%s: %w", what, ErrNotRunning)
	}
	if err := r.city.keeper.change(change); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer r.notify() // of an end that comes sooner, or of what settle could not do
	if err := r.settle(ctx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// deleteFaults clears the fault of ?system=, or all.
func (r *Running) deleteFaults(w http.ResponseWriter, q *http.Request) {
	query := q.URL.Query()
	if len(query["system"]) > 1 || (len(query) > 0 && !query.Has("system")) || (query.Has("system") && query.Get("system") == "") {
		writeJSON(w, http.StatusBadRequest, trouble{"only one system is known"})
		return
	}
	r.tell(w, r.ClearFaults(q.Context(), query.Get("system")))
}

// tell answers with the status, or with what is wrong.
func (r *Running) tell(w http.ResponseWriter, err error) {
	switch {
	case err == nil:
		writeJSON(w, http.StatusOK, r.Status())
	case errors.Is(err, ErrUnknown):
		writeJSON(w, http.StatusBadRequest, trouble{err.Error()})
	case errors.Is(err, ErrPortTaken):
		writeJSON(w, http.StatusConflict, trouble{err.Error()})
	default:
		writeJSON(w, http.StatusInternalServerError, trouble{"the state could not be kept"})
	}
}
