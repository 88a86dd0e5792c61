package sqlite

import (
	"context"
	"fmt"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// The waits between two tries to take the write lock while another process holds it:
// they double from the first to the longest.
const (
	firstWait   = 200 * time.Microsecond
	longestWait = 10 * time.Millisecond
)

// gaveUpError says that the caller's context ended before the lock was free.
type gaveUpError struct{ err error }

func (e *gaveUpError) Error() string {
	return fmt.Sprintf("another process held its lock: %v", e.err)
}
func (e *gaveUpError) Unwrap() error { return e.err }

// lock calls take, which runs a statement that needs the write lock, until the lock is
// free. It ends with SQLITE_BUSY after BusyTimeout, and with a gaveUpError when ctx is
// done. In both cases take has certainly done nothing.
//
// SQLite's own busy handler, which is off meanwhile, would wait longer between two tries.
// Only interrupting the connection could end it, and then the outcome of the statement is
// unknown.
func (b *Backend) lock(ctx context.Context, take func() error) error {
	err := take()
	if code(err) != sqlite3.SQLITE_BUSY {
		return err
	}
	deadline := time.Now().Add(b.opts.BusyTimeout)
	timer := time.NewTimer(firstWait)
	defer timer.Stop()
	for wait := firstWait; ; wait = min(2*wait, longestWait, time.Until(deadline)) {
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return &gaveUpError{ctx.Err()}
		}
		if err = take(); code(err) != sqlite3.SQLITE_BUSY || !time.Now().Before(deadline) {
			return err
		}
	}
}

// begin begins a transaction that holds the write lock. The transaction no longer depends
// on ctx.
func (b *Backend) begin(ctx context.Context) error {
	return b.lock(ctx, func() error {
		_, err := b.exec(beginSQL)
		return err
	})
}

// commit ends a transaction. In a file it never waits; in memory it waits for readers.
func (b *Backend) commit() error {
	return b.lock(context.Background(), func() error {
		_, err := b.exec(commitSQL)
		return err
	})
}

// setBusyTimeout sets how long SQLite itself waits for a lock on the writing connection.
func (b *Backend) setBusyTimeout(d time.Duration) error {
	b.timeout = d
	return b.pragma(fmt.Sprintf(`busy_timeout = %d`, d.Milliseconds()))
}
