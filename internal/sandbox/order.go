package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"
)

// faultOrder is a fault as the control is told of it.
type faultOrder struct {
	System string `json:"system"`
	Kind   string `json:"kind"`
	For    string `json:"for,omitempty"`   // a duration such as 30s
	Every  int    `json:"every,omitempty"` // N: strike every Nth request alone
}

// keysOrder is what a system should do with keys.
type keysOrder struct {
	System string `json:"system"`
	Keys   string `json:"keys"`
}

// What a system does with an Idempotency-Key: the second is what the public specification
// leaves one to expect.
const (
	keysHonour = "honour"
	keysIgnore = "ignore"
)

func keysWord(honour bool) string {
	if honour {
		return keysHonour
	}
	return keysIgnore
}

// postFault sets a fault.
func (r *Running) postFault(w http.ResponseWriter, q *http.Request) {
	var order faultOrder
	if !ordered(w, q, &order) {
		return
	}
	wish, err := order.wish()
	if err == nil {
		err = r.Break(q.Context(), wish)
	}
	r.tell(w, err)
}

// wish reads the duration.
func (o faultOrder) wish() (Wish, error) {
	w := Wish{System: o.System, Kind: o.Kind, Every: o.Every}
	if o.For == "" {
		return w, nil
	}
	lasts, err := time.ParseDuration(o.For)
	if err != nil || lasts <= 0 {
		return w, fmt.Errorf("%w: for is a duration such as 30s", ErrUnknown)
	}
	w.Lasts = lasts
	return w, nil
}

// postKeys sets what keys do.
func (r *Running) postKeys(w http.ResponseWriter, q *http.Request) {
	var order keysOrder
	if !ordered(w, q, &order) {
		return
	}
	if order.System != Address || (order.Keys != keysHonour && order.Keys != keysIgnore) {
		r.tell(w, fmt.Errorf("%w: keys are honoured or ignored by address alone", ErrUnknown))
		return
	}
	r.tell(w, r.HonourKeys(q.Context(), order.Keys == keysHonour))
}

// ordered reads an order strictly; where there is none it says so and gives false.
func ordered(w http.ResponseWriter, q *http.Request, order any) bool {
	kind, _, err := mime.ParseMediaType(q.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" { // what a page in a browser can send unasked is not JSON
		writeJSON(w, http.StatusUnsupportedMediaType, trouble{"send application/json"})
		return false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, bodyLimit))
	if err != nil {
		writeJSON(w, http.StatusBadRequest, trouble{"the request cannot be read"})
		return false
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err = d.Decode(order)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errNotItems
		}
	}
	if err != nil {
		writeJSON(w, http.StatusBadRequest, trouble{"send one object of the known items"})
		return false
	}
	return true
}
