package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// firstAssigned begins the serials of numbers that writes assign. The town's own lie far
// below, so that a town of a later version does not take them.
const (
	firstAssigned        = 280_000_000
	firstAssignedUnified = 790_000_000
)

// register is what writes have added to the town. Each is in the file before its effect
// shows, so a process that is killed loses none; the file is not synced, so a power cut may
// lose the last of them. It is safe for concurrent use.
type register struct {
	town *town

	mu       sync.RWMutex
	file     *os.File // nil: closed, or it could not be written as a whole; nothing is taken any more
	size     int64
	serial   int
	unified  int
	persons  map[string]*person // numbered here, by 宛名番号
	numbered []*person          // the same in order
	byKana   map[string][]*person
	uses     map[string]entry
	mailings map[string]entry
	byKey    map[string]entry // the first that took effect under a key
}

// view is what a provider answers from: the town, and what writes added.
type view struct {
	*town
	register *register
}

// openRegister reads the writes of a folder again and goes on writing there. Only the
// process that serves the folder may: a torn last line is cut off.
func openRegister(dir string, t *town) (*register, error) {
	r := &register{
		town: t, serial: firstAssigned, unified: firstAssignedUnified, persons: map[string]*person{}, byKana: map[string][]*person{},
		uses: map[string]entry{}, mailings: map[string]entry{}, byKey: map[string]entry{},
	}
	f, err := os.OpenFile(filepath.Join(dir, writesFile), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", writesFile, withoutPath(err))
	}
	r.size, err = readEntries(f, r.apply)
	if err == nil {
		err = withoutPath(f.Truncate(r.size))
	}
	if err != nil {
		return nil, errors.Join(err, withoutPath(f.Close()))
	}
	r.file = f
	return r, nil
}

// close ends the writing. Closing again is safe.
func (r *register) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return nil
	}
	err := withoutPath(r.file.Close())
	r.file = nil
	return err
}

// submission is a write as it arrives.
type submission struct {
	system   string
	resource resource
	key      string // Idempotency-Key, or empty
	items    values
	problems []wrong // what is wrong with the items
	honour   bool    // a key takes effect once
	at       time.Time
}

var errNotKept = errors.New("a write could not be kept")

// take judges a write, keeps it, and lets it take effect, in this order. Where something
// is wrong the result is nil.
func (r *register) take(s submission) (result map[string]string, problems []wrong, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := entry{
		System: s.system, Resource: s.resource.name, Kind: s.resource.kind, Key: s.key, Effect: EffectRefused,
		Atena: s.items.one("atenabango"), At: s.at, Version: s.items.one("rirekibango"), Control: s.items.one("kanribango"),
	}
	problems = r.judge(s, &e)
	if err := r.keep(e); err != nil {
		return nil, nil, err
	}
	if len(problems) > 0 {
		return nil, problems, nil
	}
	r.apply(e)
	return e.result(), nil, nil
}

// judge decides what becomes of a write and says so in its entry.
func (r *register) judge(s submission, e *entry) []wrong {
	if len(s.problems) > 0 {
		return s.problems
	}
	single := make(map[string]string, len(s.items))
	for key := range s.items {
		single[key] = s.items.one(key)
	}
	e.Digest = digestOf(e.Resource, single)
	if first, known := r.byKey[e.Key]; s.honour && known {
		if first.Digest != e.Digest {
			return []wrong{{codeCorrelation, "【Idempotency-Key】は【同じ内容の要求だけ】で設定してください。"}}
		}
		e.Effect, e.Atena, e.Items = EffectRepeated, first.Atena, single
		return nil
	}
	if e.Kind == KindNumbering {
		e.Atena = r.next()
	} else if !r.knows(e.Atena) {
		return []wrong{{codeCorrelation, "【宛名番号】は【登録されている宛名番号】で設定してください。"}}
	}
	e.Effect, e.Items = EffectApplied, single
	return nil
}

// digestOf gives the digest of a resource and its items, however they were ordered.
func digestOf(resource string, items map[string]string) string {
	text, err := json.Marshal(items) // in the order of their names
	if err != nil {
		return "" // cannot be: they are texts
	}
	return digest(resource, string(text))
}

// keep appends an entry to the file. What was written of one that failed is taken back;
// where not even that succeeds, nothing is taken any more.
func (r *register) keep(e entry) error {
	if r.file == nil {
		return errNotKept
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("keep a write: %w", err)
	}
	line = append(line, '\n')
	if _, err := r.file.Write(line); err != nil {
		err = fmt.Errorf("%w: %w", errNotKept, withoutPath(err))
		if back := r.file.Truncate(r.size); back != nil {
			err = errors.Join(err, withoutPath(back), withoutPath(r.file.Close()))
			r.file = nil
		}
		return err
	}
	r.size += int64(len(line))
	return nil
}

// apply lets an entry take effect, when it arrives and when it is read again.
func (r *register) apply(e entry) {
	if e.Effect != EffectApplied {
		return
	}
	switch e.Kind {
	case KindNumbering:
		r.enrol(e)
	case KindPersonUse:
		r.uses[keyOfUse(e.one)] = e
	case KindMailingAddress:
		r.mailings[keyOfMailing(e.one)] = e
	}
	if _, known := r.byKey[e.Key]; !known && e.Key != "" {
		r.byKey[e.Key] = e
	}
}

// next gives the next 宛名番号.
func (r *register) next() string {
	last := r.serial
	for {
		number := serialNumber(&last, 1)
		if !r.knows(number) {
			return number
		}
	}
}

// enrol takes a 住登外者 into the register.
func (r *register) enrol(e entry) {
	if serial, err := strconv.Atoi(e.Atena[:max(len(e.Atena)-1, 0)]); err == nil { // without its check digit
		r.serial = max(r.serial, serial)
	}
	p := &person{
		Atena: e.Atena, Unified: serialNumber(&r.unified, 1), Individual: e.one("kojinbango"),
		Name: e.one("shimei"), Kana: e.one("shimei_kana"),
		Birth: birth{ISO: e.one("seinengappi"), Text: e.one("seinengappi_fushohyoki")},
		Sex:   e.one("seibetsu"), Status: outside, Place: place{Text: e.one("jusho")}, Hidden: e.one("tagyomusanshofukafuragu") == "1",
	}
	r.persons[p.Atena] = p
	r.numbered = append(r.numbered, p)
	r.byKana[kanaKey(p.Kana)] = append(r.byKana[kanaKey(p.Kana)], p)
}

// knows tells whether the system knows a number. The caller holds mu.
func (r *register) knows(number string) bool {
	_, ours := r.persons[number]
	_, town := r.town.byAtena[number]
	return ours || town
}

// keyOfUse names a use: whose, by which business of which system.
func keyOfUse(one func(string) string) string {
	return one("atenabango") + "/" + one("gyomuid") + "/" + one("dokujishisakushisutemutoid")
}

// keyOfMailing names a mailing address: a use, and the number by which the caller keeps it.
func keyOfMailing(one func(string) string) string { return keyOfUse(one) + "/" + one("kanribango") }

func (r *register) lastUse(key string) (entry, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e, there := r.uses[key]
	return e, there
}

func (r *register) lastMailing(key string) (entry, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e, there := r.mailings[key]
	return e, there
}

// person gives the person of that number, of the town or numbered by a write.
func (in view) person(number string) (*person, bool) {
	if p, there := in.byAtena[number]; there {
		return p, true
	}
	in.register.mu.RLock()
	defer in.register.mu.RUnlock()
	p, there := in.register.persons[number]
	return p, there
}

// byNumber gives the person of that 個人番号.
func (in view) byNumber(individual string) (*person, bool) {
	if p, there := in.byIndividual[individual]; there {
		return p, true
	}
	in.register.mu.RLock()
	defer in.register.mu.RUnlock()
	for _, p := range in.register.numbered {
		if p.Individual == individual {
			return p, true
		}
	}
	return nil, false
}

// search is the town's, with those whom writes numbered after them.
func (in view) search(kana, first, last string) []*person {
	fit := in.town.search(kana, first, last)
	in.register.mu.RLock()
	defer in.register.mu.RUnlock()
	return append(fit, bornWithin(in.register.byKana[kanaKey(kana)], first, last)...)
}
