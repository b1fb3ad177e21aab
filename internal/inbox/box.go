package inbox

import (
	"log/slog"
	"sync/atomic"
	"time"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// Rooms are what a Box stands on.
type Rooms struct {
	DB     *store.DB
	Record *audit.Log // nothing is begun while it cannot be written
	Key    [32]byte   // of this municipality: encrypts what is kept, and keys the names
	// Read reads an event's data by its type. Its errors are Invalid, with the cause as reason
	// and a message number, and repeat nothing.
	Read func(kind string, data []byte) (ledger.Notice, error)
	// Envelope reads an event from what came where no source or id could be read when it came;
	// false: it still is none. Nil: that is not tried.
	Envelope  func(headers map[string]string, raw []byte) (Message, bool)
	Digits    int              // length of the city's 宛名番号; 0: not known, then twelve digits are refused
	Exclusive bool             // no other process can run on this database: what is claimed at the start is orphaned
	Bell      Bell             // nil: the database
	Now       func() time.Time // nil: the clock of the machine
	Log       *slog.Logger     // nil: nothing is logged
}

// Box is the inbox of one municipality. It is safe for concurrent use.
type Box struct {
	cfg     Config
	rooms   Rooms
	seal    *sealer
	wake    chan struct{}
	running atomic.Bool
	shut    shown
}

// New makes the box. It is Invalid where the configuration is wrong or a room is missing. It
// starts nothing; Run does.
func New(cfg Config, r Rooms) (*Box, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if r.DB == nil || r.Record == nil || r.Read == nil {
		return nil, fault.New(fault.Invalid, "the inbox lacks its database, its record or its reader").WithCode(codeRooms)
	}
	if r.Bell == nil {
		r.Bell = r.DB
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	seal, err := newSealer(r.Key)
	if err != nil {
		return nil, err
	}
	return &Box{cfg: cfg.withDefaults(), rooms: r, seal: seal, wake: make(chan struct{}, 1)}, nil
}

// signal wakes who waits on c, once.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wakeOn wakes every gateway's inbox when tx, which has made something due, is committed.
func (b *Box) wakeOn(tx *store.Tx) {
	tx.Done(func(committed bool) {
		if committed {
			signal(b.wake)
			b.rooms.Bell.Ring(bell)
		}
	})
}

// micros is how a moment is kept: microseconds since 1970; 0: none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// moment is the inverse of micros.
func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
