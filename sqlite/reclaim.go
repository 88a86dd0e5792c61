package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/flowlog/checkpoint/driver"
)

// reclaimPages is how many pages one transaction of Reclaim gives back: 256 KiB. A
// page at the end of the file is moved into the free one, so that many are written.
const reclaimPages = 64

var (
	_ driver.Reclaimer = (*Backend)(nil)
	_ driver.Sizer     = (*Backend)(nil)
	_ driver.Checker   = (*Backend)(nil)
)

// Check implements [driver.Checker] by SQLite's quick_check, which reads the whole
// file.
func (b *Backend) Check(ctx context.Context) error {
	leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	var found string
	if err := b.readers.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&found); err != nil {
		return b.unread(ctx, err)
	}
	if found != "ok" {
		found = strings.ReplaceAll(strings.TrimPrefix(found, "*** in database main ***\n"), "\n", "; ")
		return fmt.Errorf("%s: %w: %s; `sqlite3 %[1]s .recover` may save what is left", b.path, driver.ErrCorrupt, found)
	}
	return nil
}

// Reclaim implements [driver.Reclaimer] by SQLite's incremental vacuum. Others write
// between its slices, each of which takes about as long as writing 256 KiB.
func (b *Backend) Reclaim(ctx context.Context, progress func(driver.Reclaimed)) (int64, error) {
	before, free, err := b.Space(ctx)
	if err != nil || free == 0 {
		return 0, err
	}
	err = b.reclaim(ctx, free, progress)
	if err == nil {
		err = b.shrink(ctx)
	}
	after, _, spaceErr := b.Space(context.WithoutCancel(ctx))
	if spaceErr != nil {
		return 0, errors.Join(err, spaceErr)
	}
	return max(0, before-after), err
}

func (b *Backend) reclaim(ctx context.Context, free int64, progress func(driver.Reclaimed)) error {
	total := free
	for free > 0 {
		if err := b.vacuum(ctx); err != nil {
			return err
		}
		left := free
		var err error
		if _, free, err = b.Space(ctx); err != nil {
			return err
		}
		if progress != nil {
			progress(driver.Reclaimed{Done: max(0, total-free), Total: total})
		}
		if free >= left { // others free pages as fast, or need them
			break
		}
	}
	return nil
}

// vacuum gives a slice of free pages back.
func (b *Backend) vacuum(ctx context.Context) error {
	leave, err := b.enterWriting(ctx)
	if err != nil {
		return err
	}
	defer leave()
	err = b.lock(ctx, func() error {
		// It gives back a page a step, so all its steps must be made.
		rows, err := b.conn.QueryContext(context.Background(), fmt.Sprintf(`PRAGMA incremental_vacuum(%d)`, reclaimPages))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
		}
		return rows.Err()
	})
	if err != nil {
		return b.undo(err, code(err) == sqlite3.SQLITE_IOERR) // other errors come before the commit
	}
	b.writeBackLater(reclaimPages * pageSize)
	return nil
}

// shrink writes the WAL back, which cuts the file to its new length. While others
// read what was there before it can't be: then it is left to a later checkpoint.
func (b *Backend) shrink(ctx context.Context) error {
	if err := b.drainWAL(ctx, time.Second); !errors.Is(err, errReaders) {
		return err
	}
	return nil
}

// errReaders says why the WAL can't be emptied.
var errReaders = errors.New("a reader holds what was there before")

// drainWAL waits for readers and empties the WAL. Writers may write meanwhile.
func (b *Backend) drainWAL(ctx context.Context, wait time.Duration) error {
	deadline := time.Now().Add(wait)
	for {
		leave, err := b.enterWriting(ctx)
		if err != nil {
			return err
		}
		err = b.emptyWAL()
		leave()
		if !errors.Is(err, errReaders) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Space implements [driver.Sizer], without the WAL.
func (b *Backend) Space(ctx context.Context) (size, free int64, err error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer leave()
	var page, pages, unused int64
	err = b.readers.QueryRowContext(ctx, `SELECT p.page_size, c.page_count, f.freelist_count
		FROM pragma_page_size p, pragma_page_count c, pragma_freelist_count f`).Scan(&page, &pages, &unused)
	return page * pages, page * unused, b.explain(err)
}
