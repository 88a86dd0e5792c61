package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flowlog/checkpoint/log"
)

var _ log.Eraser = (*Backend)(nil)

// Erase implements [log.Eraser]: after what Purge has left, it has SQLite make the
// whole file anew (VACUUM), writes the WAL back and cuts it to nothing.
//
// secure_delete is not enough. It overwrites what is deleted, but when SQLite splits
// a page or moves rows between pages, copies of rows stay in what the old page no
// longer uses, and nothing knows of them when the row is deleted.
//
// Writers, of other processes too, wait while the file is written, twice: 2.4 seconds
// for 287 MB that are left, as measured. They should have a BusyTimeout for that. Readers go on. The folder needs room for as
// much as is left once more, for the WAL, and so does the folder for temporary
// files, where SQLite keeps a copy of what is left until it is done.
//
// Who reads what was there before keeps the WAL from being emptied: Erase waits for
// that up to BusyTimeout, before it begins and again when the file is made, and then
// returns [log.ErrLocked]. A done ctx ends it, with the file as it was or made anew.
func (b *Backend) Erase(ctx context.Context) error {
	for more := true; more; {
		var err error
		if more, err = b.Purge(ctx); err != nil {
			return err
		}
	}
	// While it can't be emptied the new file would only be added to the WAL.
	if err := b.waitForReaders(ctx); err != nil {
		return err
	}
	if err := b.rebuild(ctx); err != nil {
		return err
	}
	return b.waitForReaders(ctx)
}

// rebuild makes the file anew.
func (b *Backend) rebuild(ctx context.Context) error {
	leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	b.writing.Lock()
	defer b.writing.Unlock()
	b.checked = time.Time{}
	if err := b.stillThere(); err != nil {
		return err
	}
	if _, err := b.conn.ExecContext(ctx, `VACUUM`); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return b.explain(err)
	}
	return nil
}

// waitForReaders empties the WAL.
func (b *Backend) waitForReaders(ctx context.Context) error {
	err := b.drainWAL(ctx, b.opts.BusyTimeout)
	if errors.Is(err, errReaders) {
		return fmt.Errorf("%s-wal: %w: for more than %v somebody has been reading what was there before, in this process or in another; let that end", b.path, log.ErrLocked, b.opts.BusyTimeout)
	}
	return err
}
