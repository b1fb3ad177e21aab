package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kakehashi/config"
	"kakehashi/internal/fault"
	"kakehashi/internal/web"
)

// host is one program that serves several municipalities: a whole set of rooms for each, one
// listener before them, and nothing that two of them share but the process.
type host struct {
	cfg     *config.Host
	log     *slog.Logger
	cities  []*hosted
	byHost  map[string]*hosted // in small letters, without a port
	byPath  map[string]*hosted // as in /132012
	astray  prometheus.Counter // requests that were nobody's
	metrics http.Handler
}

// stopTime bounds how long a host waits for its sets once nothing comes in any more.
const stopTime = 30 * time.Second

// loadHost reads a host's file, or tells everything that is wrong with it.
func loadHost(path string) (*config.Host, error) {
	cfg, problems := config.LoadHost(path, os.Environ())
	if len(problems) > 0 {
		return nil, &ending{code: exitUsage, text: spellProblems(problems)}
	}
	return cfg, nil
}

func spellProblems(problems []config.Problem) string {
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// newHost makes the host of a configuration; no set is built yet.
func newHost(cfg *config.Host, log *slog.Logger) *host {
	h := &host{cfg: cfg, log: log, byHost: map[string]*hosted{}, byPath: map[string]*hosted{}}
	for _, at := range cfg.Municipalities {
		one := newHosted(at, log)
		h.cities = append(h.cities, one)
		if at.Host != "" {
			h.byHost[at.Name()] = one
		} else {
			h.byPath[at.Name()] = one
		}
	}
	h.measure()
	return h
}

// serveHost serves every municipality of a host's file until ctx ends.
func serveHost(ctx context.Context, cfg *config.Host, s streams) error {
	for _, at := range cfg.Municipalities {
		if err := filledIn(at.File); err != nil {
			return fmt.Errorf("%s: %w", at.File.Municipality.Code, err)
		}
	}
	log := logAs(cfg.Log, s)
	h := newHost(cfg, log)
	sets, err := h.build(ctx, s)
	if err != nil {
		return err
	}
	l, err := listenOn(ctx, cfg.Listen.Address)
	if err != nil {
		return errors.Join(err, closeAll(ctx, sets))
	}
	announced := h.announce(l.Addr().String(), sets)
	err = h.serve(ctx, l, sets)
	return errors.Join(err, announced())
}

// build builds every set. Where what a municipality's own files say keeps it from starting,
// none is given and all problems are told at once: whoever starts the host can mend them. One
// whose engines are away has no set yet, is told of, and is built anew as one that died: the
// others do not wait for it.
func (h *host) build(ctx context.Context, s streams) ([]*set, error) {
	sets := make([]*set, len(h.cities))
	failed := exitOK
	for i, one := range h.cities {
		var err error
		if sets[i], err = one.build(ctx); err == nil {
			continue
		}
		sets[i] = nil // closed already
		_, _ = fmt.Fprintf(s.err, "自治体 %s: %s\n", one.code, explain(err))
		if !mayComeBack(err) {
			failed = max(failed, exitCode(err))
		}
	}
	if failed == exitOK {
		return sets, nil
	}
	refused := &ending{code: failed, text: explain(fault.New(fault.Unavailable, "build the sets").WithCode("KKH5030"))}
	return nil, errors.Join(refused, closeAll(ctx, sets))
}

// mayComeBack tells whether what kept a set from being built may end by itself.
func mayComeBack(err error) bool {
	code := exitCode(err)
	return code == exitUnavailable || code == exitRecord
}

func closeAll(ctx context.Context, sets []*set) error {
	var all error
	for _, one := range sets {
		if one != nil {
			all = errors.Join(all, one.close(ctx))
		}
	}
	return all
}

// announce tells in the folder of each municipality where it is called, and gives what takes
// that back. A municipality without a set is told to be down.
func (h *host) announce(address string, sets []*set) func() error {
	scheme := "http://"
	if h.cfg.Listen.TLSCertificate != "" {
		scheme = "https://"
	}
	for i, one := range h.cities {
		r := running{API: scheme + address + one.at.Path, Host: strings.ToLower(one.at.Host), Municipality: one.code, PID: os.Getpid()}
		if err := writeRunning(filepath.Dir(one.at.Config), r); err != nil { // it serves all the same; only --dir does not find it
			one.log.Warn("not announced", "code", "KKH5006")
		}
		if sets[i] == nil {
			one.log.Error("not started", "code", "KKH5038", "addr", address, "pid", r.PID)
			continue
		}
		one.log.Info("started", "code", "KKH5001", "addr", address, "pid", r.PID, "version", version())
	}
	return func() error {
		var all error
		for _, one := range h.cities {
			one.log.Info("stopped", "code", "KKH5002", "pid", os.Getpid())
			all = errors.Join(all, removeRunning(filepath.Dir(one.at.Config)))
		}
		return all
	}
}

// serve serves on the listener until ctx ends or the listener fails. Then nobody is let in
// any more, those who are inside finish, and the sets stop, all at once and each in its own
// order. A set that fails meanwhile is its own affair.
func (h *host) serve(ctx context.Context, l net.Listener, sets []*set) error {
	server := web.NewServer(h.cfg.Listen, h)
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var all sync.WaitGroup
	ends := make([]error, len(sets))
	for i, one := range h.cities {
		var l *living // nil: it is still to be built
		if sets[i] != nil {
			l = one.admit(sets[i])
		}
		all.Go(func() { ends[i] = one.run(work, l) })
	}
	served := make(chan error, 1)
	go func() { served <- h.listen(server, l) }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
	}
	down, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime/2)
	defer cancel()
	err = errors.Join(err, server.Shutdown(down))
	stop()
	stopped := make(chan struct{})
	go func() { all.Wait(); close(stopped) }()
	late := time.NewTimer(stopTime)
	defer late.Stop()
	select {
	case <-stopped:
		return errors.Join(errors.Join(ends...), err)
	case <-late.C: // the process ends, and with it whatever hangs
		return fault.New(fault.Unavailable, "a set did not stop in time").WithCode("KKH5037").WithReason("timeout")
	}
}

func (h *host) listen(server *http.Server, l net.Listener) error {
	var err error
	if h.cfg.Listen.TLSCertificate != "" {
		err = server.ServeTLS(l, h.cfg.Listen.TLSCertificate, h.cfg.Listen.TLSKey)
	} else {
		err = server.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve the municipalities: %w", err)
}
