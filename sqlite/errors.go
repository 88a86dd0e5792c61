package sqlite

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/flowlog/checkpoint/driver"
)

// code returns SQLite's primary result code, 0 if err is not SQLite's.
func code(err error) int { return extendedCode(err) & 0xff }

func extendedCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// explain maps an error of SQLite to the sentinel that callers branch on.
func (b *Backend) explain(err error) error {
	switch code(err) {
	case sqlite3.SQLITE_NOMEM: // a length in a damaged page can be larger than the memory
		return fmt.Errorf("%s: %w: a page is damaged, or there is too little memory: %w", b.path, driver.ErrCorrupt, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return b.corrupt(err)
	case sqlite3.SQLITE_IOERR:
		switch extendedCode(err) {
		case sqlite3.SQLITE_IOERR_SHORT_READ: // the file was cut within a page
			return b.corrupt(err)
		case sqlite3.SQLITE_IOERR_WRITE: // as SQLite calls EFBIG, too
			if atLimit(b.at, b.at+"-wal") {
				return fmt.Errorf("%s: %w: the process may not make its files larger (ulimit -f): %w", b.path, driver.ErrFull, err)
			}
		}
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT: // of a statement of ours: a schema or a page is not ours
		return b.corrupt(err)
	case sqlite3.SQLITE_READONLY:
		return fmt.Errorf("%s: %w: %w", b.path, driver.ErrReadOnly, err)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%s: %w: %w", b.path, driver.ErrFull, err)
	case sqlite3.SQLITE_TOOBIG:
		return fmt.Errorf("%s: %w: %w", b.path, driver.ErrTooLarge, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%s: %w: another process held its lock for more than %v: %w", b.path, driver.ErrLocked, b.opts.BusyTimeout, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", b.path, err)
	}
	return nil
}

func (b *Backend) corrupt(err error) error {
	return fmt.Errorf("%s: %w: %w; `sqlite3 %s .recover` may save what is left", b.path, driver.ErrCorrupt, err, b.path)
}

// unread explains why a row could not be read: a column of the wrong type is damaged.
func (b *Backend) unread(ctx context.Context, err error) error {
	if err != nil && code(err) == 0 && ctx.Err() == nil {
		return fmt.Errorf("%s: %w: %w", b.path, driver.ErrCorrupt, err)
	}
	return b.explain(err)
}

// undo rolls back after err and returns it as a [driver.NotAppliedError] if certainly
// nothing was written. The error may have come from committing. After any other error all
// writing ends.
func (b *Backend) undo(err error, committing bool) error {
	err = b.rollBack(err, committing)
	var none *driver.NotAppliedError
	if !errors.As(err, &none) {
		b.end(err)
	}
	return err
}

// end ends all writing until the file is opened again, since it is not known what is on
// the disk.
func (b *Backend) end(err error) {
	b.failed = fmt.Errorf("%s: %w since a write or a sync failed (%w): nothing was written now; close the store, make sure that its disk is sound, and open it again", b.path, driver.ErrReadOnly, err)
}

func (b *Backend) rollBack(err error, committing bool) error {
	clear(b.known)
	b.recent = maxRecent // it is not known what is in it: settle it with the next transaction
	// After some errors SQLite has already rolled back; then this one fails.
	b.exec(rollbackSQL)
	// A transaction can only begin if none is open: that is the confirmation.
	_, check := b.exec(`BEGIN`)
	if check == nil {
		_, check = b.exec(rollbackSQL)
	}
	explained := b.explain(err)
	if check != nil {
		return fmt.Errorf("%w (and the rollback is not confirmed: %w)", explained, check)
	}
	var gaveUp *gaveUpError
	if !committing || errors.As(err, &gaveUp) {
		return &driver.NotAppliedError{Err: explained}
	}
	// When writing or syncing the WAL fails during a commit, SQLite reports the failure
	// and hides the changes, but they may be on the disk and show up when the file is
	// opened again. The following failures happen before the commit.
	switch code(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_TOOBIG,
		sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_READONLY:
		return &driver.NotAppliedError{Err: explained}
	}
	if errors.Is(explained, driver.ErrFull) { // a frame of the WAL that was not written; the commit's is the last
		return &driver.NotAppliedError{Err: explained}
	}
	return explained
}
