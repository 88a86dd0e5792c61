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

// lock calls take, which runs a statement that needs the write lock, until the lock was
// free for it. It ends with SQLITE_BUSY when BusyTimeout is over, and with a gaveUpError
// when ctx is done, and then take has certainly done nothing.
//
// SQLite's own busy handler, which is off meanwhile, would wait for longer between two
// tries and could only be ended by interrupting the connection: then nobody knows whether
// a statement was still made.
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

// begin begins a transaction that holds the write lock. What is done in it does not
// depend on ctx any more.
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

// setBusyTimeout sets for how long SQLite itself waits for a lock on the connection that
// writes.
func (b *Backend) setBusyTimeout(d time.Duration) error {
	b.timeout = d
	return b.pragma(fmt.Sprintf(`busy_timeout = %d`, d.Milliseconds()))
}
