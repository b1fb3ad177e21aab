package sandbox

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// writesFile holds what was received as writes, one line a request, in order of arrival.
const writesFile = "writes.jsonl"

// The kinds of writes.
const (
	KindPersonUse      = "person_use"      // 業務利用登録
	KindNumbering      = "numbering"       // 住登外者宛名番号付番
	KindMailingAddress = "mailing_address" // 送付先登録
)

// What became of a write.
const (
	EffectApplied  = "applied"  // it took effect
	EffectRepeated = "repeated" // it was known by its key and took no effect again
	EffectRefused  = "refused"  // it was wrong and took no effect
)

// Write is a write that reached a resource of a stand-in.
type Write struct {
	Key              string    `json:"key"`          // Idempotency-Key as sent, or empty
	ChangeID         string    `json:"change_id"`    // the caller's change, which the same header names
	AtenaNumber      string    `json:"atena_number"` // of the request; of a numbering the number that it gave, empty where refused
	Kind             string    `json:"kind"`
	Effect           string    `json:"effect"`
	At               time.Time `json:"at"` // when it arrived, in Japan
	Resource         string    `json:"resource"`
	Version          string    `json:"version,omitempty"`           // 履歴番号 of a mailing address
	ManagementNumber string    `json:"management_number,omitempty"` // 管理番号 of a mailing address
}

// Received gives what the stand-in of a system received as writes, in order of arrival,
// whether it runs or not. [ErrNoCity] where the folder holds no city, [ErrUnknown] where
// there is no such system.
func Received(dir, system string) ([]Write, error) {
	if !slices.Contains(Systems(), system) {
		return nil, fmt.Errorf("read the writes: %w: no such system", ErrUnknown)
	}
	var known identity
	if err := readFile(dir, identityFile, &known); err != nil {
		return nil, fmt.Errorf("read the writes: %w", err)
	}
	writes := []Write{}
	f, err := os.Open(filepath.Join(dir, writesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return writes, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the writes: %w", withoutPath(err))
	}
	_, err = readEntries(f, func(e entry) {
		if e.System == system {
			writes = append(writes, e.write())
		}
	})
	if err := errors.Join(err, withoutPath(f.Close())); err != nil {
		return nil, fmt.Errorf("read the writes: %w", err)
	}
	return writes, nil
}

// entry is a write as it lies on disk. What it brought is kept unless it was refused.
type entry struct {
	System   string            `json:"system"`
	Resource string            `json:"resource"`
	Kind     string            `json:"kind"`
	Key      string            `json:"key"`
	Digest   string            `json:"digest,omitempty"` // of resource and items, to tell a repeat
	Effect   string            `json:"effect"`
	Atena    string            `json:"atena_number"`
	At       time.Time         `json:"at"`
	Version  string            `json:"version,omitempty"`
	Control  string            `json:"management_number,omitempty"`
	Items    map[string]string `json:"items,omitempty"`
}

func (e entry) write() Write {
	return Write{
		Key: e.Key, ChangeID: e.Key, AtenaNumber: e.Atena, Kind: e.Kind, Effect: e.Effect, At: e.At,
		Resource: e.Resource, Version: e.Version, ManagementNumber: e.Control,
	}
}

// one gives an item of the request, "" where there is none.
func (e entry) one(key string) string { return e.Items[key] }

// items gives the items of the request that the lists name.
func (e entry) items(lists ...[]item) map[string]string {
	record := map[string]string{}
	for _, it := range slices.Concat(lists...) {
		record[it.key] = e.Items[it.key]
	}
	return record
}

// result gives the record with which a write that took effect is answered.
func (e entry) result() map[string]string {
	switch e.Kind {
	case KindNumbering:
		return map[string]string{"atenabango": e.Atena}
	case KindMailingAddress:
		return map[string]string{"atenabango": e.Atena, "kanribango": e.Control, "rirekibango": e.Version}
	default:
		return map[string]string{
			"atenabango": e.Atena, "gyomuid": e.one("gyomuid"), "dokujishisakushisutemutoid": e.one("dokujishisakushisutemutoid"),
		}
	}
}

// readEntries reads the whole lines of the file of writes and tells how long they are
// together. A last line without its end was torn. Where the process was killed it was never
// answered for; where the power failed it may have been, since the file is not synced.
func readEntries(r io.Reader, each func(entry)) (whole int64, err error) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return whole, nil
		}
		if err != nil {
			return whole, fmt.Errorf("read %s: %w", writesFile, withoutPath(err))
		}
		var e entry
		if err := json.Unmarshal(bytes.TrimSuffix(line, []byte{'\n'}), &e); err != nil {
			return whole, fmt.Errorf("read %s: a line cannot be read: %w", writesFile, err)
		}
		whole += int64(len(line))
		each(e)
	}
}
