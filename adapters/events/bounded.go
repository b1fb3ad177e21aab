package events

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// bounded is a connection on which nothing waits for ever.
type bounded struct {
	net.Conn
	limit time.Duration

	mu            sync.Mutex
	read, written time.Time // deadlines that the user of the connection set; zero: none
}

// Read reads until the user's deadline, or for limit where that is not set.
func (b *bounded) Read(p []byte) (int, error) {
	b.mu.Lock()
	if b.read.IsZero() {
		_ = b.Conn.SetReadDeadline(time.Now().Add(b.limit)) // fails where it is closed, and so will the read
	}
	b.mu.Unlock()
	return b.Conn.Read(p)
}

// Write writes until the user's deadline, or for limit where that is not set.
func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	if b.written.IsZero() {
		_ = b.Conn.SetWriteDeadline(time.Now().Add(b.limit))
	}
	b.mu.Unlock()
	return b.Conn.Write(p)
}

// SetDeadline sets both of the user's deadlines; zero: none.
func (b *bounded) SetDeadline(t time.Time) error {
	return errors.Join(b.SetReadDeadline(t), b.SetWriteDeadline(t))
}

// SetReadDeadline sets the user's deadline for reading; zero: none.
func (b *bounded) SetReadDeadline(t time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.read = t
	return b.Conn.SetReadDeadline(t)
}

// SetWriteDeadline sets the user's deadline for writing; zero: none.
func (b *bounded) SetWriteDeadline(t time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.written = t
	return b.Conn.SetWriteDeadline(t)
}

// withoutPath gives a file's trouble without the file's name; nil for nil.
func withoutPath(err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return path.Err
	}
	return err
}
