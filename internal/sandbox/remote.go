package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// controlTime is how long the control of another process may take to answer.
const controlTime = 3 * time.Second

// Find looks whether a process serves the folder: it holds the lock and its control
// answers for this folder. It gives the addresses and the number of that process.
func Find(ctx context.Context, dir string) (Addresses, int, bool) {
	s, err := find(ctx, dir)
	if err != nil {
		return Addresses{}, 0, false
	}
	return s.Addresses, s.PID, true
}

// SetFault makes a system of the stand-ins that serve the folder behave badly, for a time
// or, with 0, until it is cleared. [ErrNotRunning] where none do.
func SetFault(ctx context.Context, dir, system, kind string, lasts time.Duration) error {
	return Break(ctx, dir, Wish{System: system, Kind: kind, Lasts: lasts})
}

// Break is SetFault for a fault that need not strike every request.
func Break(ctx context.Context, dir string, w Wish) error {
	if err := w.check(); err != nil {
		return err
	}
	order := faultOrder{System: w.System, Kind: w.Kind, Every: w.Every}
	if w.Lasts > 0 {
		order.For = w.Lasts.String()
	}
	body, err := json.Marshal(order)
	if err != nil {
		return fmt.Errorf("set a fault: %w", err)
	}
	s, err := find(ctx, dir)
	if err != nil {
		return fmt.Errorf("set a fault: %w", err)
	}
	if _, err := ask(ctx, http.MethodPost, s.Addresses.Control+faultsPath, body); err != nil {
		return fmt.Errorf("set a fault: %w", err)
	}
	return nil
}

// HonourKeys has the address system of a folder promise, or not, that a write under an
// Idempotency-Key takes effect once, whether the stand-ins run or not.
func HonourKeys(ctx context.Context, dir string, honour bool) error {
	s, err := find(ctx, dir)
	if errors.Is(err, ErrNotRunning) {
		return keepKeys(ctx, dir, honour)
	}
	if err != nil {
		return fmt.Errorf("set what keys do: %w", err)
	}
	body, err := json.Marshal(keysOrder{System: Address, Keys: keysWord(honour)})
	if err != nil {
		return fmt.Errorf("set what keys do: %w", err)
	}
	if _, err := ask(ctx, http.MethodPost, s.Addresses.Control+keysPath, body); err != nil {
		return fmt.Errorf("set what keys do: %w", err)
	}
	return nil
}

// keepKeys is HonourKeys for a folder that nobody serves: it holds the folder meanwhile.
func keepKeys(ctx context.Context, dir string, honour bool) error {
	lock, err := takeLock(ctx, dir)
	if err != nil {
		return fmt.Errorf("set what keys do: %w", err)
	}
	k, err := openKeeper(dir)
	if err == nil {
		err = k.change(func(s *state) bool { s.Keys[Address] = honour; return true })
	}
	if err := errors.Join(err, lock.Close()); err != nil {
		return fmt.Errorf("set what keys do: %w", err)
	}
	return nil
}

// HonourKeys is the function of that name for the city's folder.
func (c *City) HonourKeys(ctx context.Context, honour bool) error {
	return HonourKeys(ctx, c.dir, honour)
}

// ClearFaults ends the fault of a system of the stand-ins that serve the folder, or with
// "" every fault. [ErrNotRunning] where none do.
func ClearFaults(ctx context.Context, dir, system string) error {
	s, err := find(ctx, dir)
	if err != nil {
		return fmt.Errorf("clear a fault: %w", err)
	}
	address := s.Addresses.Control + faultsPath
	if system != "" {
		address += "?" + url.Values{"system": {system}}.Encode()
	}
	if _, err := ask(ctx, http.MethodDelete, address, nil); err != nil {
		return fmt.Errorf("clear a fault: %w", err)
	}
	return nil
}

// find asks the control of the process that serves the folder how it is.
func find(ctx context.Context, dir string) (Status, error) {
	var known identity
	if err := readFile(dir, identityFile, &known); err != nil {
		return Status{}, err
	}
	served, err := locked(dir)
	if err != nil {
		return Status{}, err
	}
	if !served {
		return Status{}, ErrNotRunning
	}
	var s state
	if err := readFile(dir, stateFile, &s); err != nil {
		return Status{}, err
	}
	status, err := ask(ctx, http.MethodGet, "http://"+hostPort(s.Ports[controlServer])+"/", nil)
	if err != nil {
		return Status{}, err
	}
	if status.ID != known.ID {
		return Status{}, ErrNotRunning // another program answers there
	}
	return status, nil
}

// ask calls a control. An error of it that is a text of this package keeps its meaning.
func ask(ctx context.Context, method, address string, body []byte) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, controlTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return Status{}, errors.New("the control's address cannot be used")
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	// No proxy of the environment may stand between, and nothing is kept open.
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return Status{}, fmt.Errorf("%w: the control does not answer", ErrNotRunning)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return Status{}, fmt.Errorf("%w: the control does not answer", ErrNotRunning)
	}
	switch resp.StatusCode {
	case http.StatusOK:
		var status Status
		if err := json.Unmarshal(text, &status); err != nil {
			return Status{}, fmt.Errorf("%w: another program answers", ErrNotRunning)
		}
		return status, nil
	case http.StatusBadRequest:
		return Status{}, fmt.Errorf("%w: the control refused", ErrUnknown)
	case http.StatusConflict:
		return Status{}, ErrPortTaken
	default:
		return Status{}, fmt.Errorf("the control answered with status %d", resp.StatusCode)
	}
}
