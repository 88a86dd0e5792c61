package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/flowlog/checkpoint/log"
)

// What one transaction of Purge erases, at most: rows, and bytes that are written for
// it unless one row alone has more. Erased pages are overwritten, and a row in bodies
// may be alone on its page. Writers wait for it: about a millisecond, and for a sync.
const (
	purgeRows  = 256
	purgeBytes = 192 << 10
)

// Purge implements [log.Backend].
func (b *Backend) Purge(ctx context.Context) (more bool, err error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	if b.writers == nil {
		return false, log.ErrReadOnly
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	if err := b.preparePurge(ctx); err != nil {
		return false, b.explain(err)
	}
	if _, err := b.exec(ctx, beginSQL); err != nil {
		return false, b.explain(err)
	}
	gone, more, err := b.purgeOne(ctx)
	b.erased = b.erased || gone
	if err == nil {
		_, err = b.exec(ctx, commitSQL)
	}
	if err != nil {
		b.exec(context.Background(), rollbackSQL)
		return false, b.explain(err)
	}
	if b.erased && !more {
		b.erased = b.emptyWAL() != nil
	}
	return more, nil
}

// purges are the prepared statements that find what is dead.
type purges struct {
	dead, slice *sql.Stmt
}

// preparePurge prepares the statements of Purge the first time, which takes longer
// than what they do.
func (b *Backend) preparePurge(ctx context.Context) (err error) {
	if b.purges.slice != nil {
		return nil
	}
	for _, text := range []string{purgeBodiesSQL, purgeEventsSQL} {
		st, err := prepare(ctx, b.conn, text)
		if err != nil {
			return err
		}
		b.writes[text] = st
	}
	if b.purges.dead, err = b.conn.PrepareContext(ctx, deadSQL); err != nil {
		return err
	}
	b.purges.slice, err = b.conn.PrepareContext(ctx, purgeSliceSQL)
	return err
}

func (p *purges) Close() error {
	var errs []error
	for _, st := range []*sql.Stmt{p.dead, p.slice} {
		if st != nil {
			errs = append(errs, st.Close())
		}
	}
	return errors.Join(errs...)
}

// emptyWAL writes the WAL back and cuts it to nothing, so that what was erased
// does not live on in it. It can't, which is errReaders, while others read what was
// there before, for which it doesn't wait long since writers wait for it.
func (b *Backend) emptyWAL() error {
	ctx := context.Background() // the timeout must be put back whatever happens
	b.exec(ctx, `PRAGMA busy_timeout = 10`)
	defer b.exec(ctx, fmt.Sprintf(`PRAGMA busy_timeout = %d`, b.opts.BusyTimeout.Milliseconds()))
	var busy, pages, moved int
	err := b.conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved)
	if err == nil && busy != 0 || code(err) == sqlite3.SQLITE_BUSY {
		return errReaders
	}
	return b.explain(err)
}

// purgeOne erases a slice of the first thing that is dead. It reports whether what
// it erased is to live on nowhere, and whether there was anything.
func (b *Backend) purgeOne(ctx context.Context) (gone, found bool, err error) {
	var id, rk, below, segment int64
	var all bool
	err = b.purges.dead.QueryRowContext(ctx).Scan(&id, &rk, &below, &all, &segment)
	if errors.Is(err, sql.ErrNoRows) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	n, err := b.purgeEvents(ctx, rk<<32, rk<<32+below)
	if err == nil && n == 0 && all {
		n, err = b.affected(ctx, `DELETE FROM segments WHERE id IN (SELECT id FROM segments WHERE rk = ? LIMIT 1)`, rk)
	}
	if err == nil && segment > 0 {
		_, err = b.exec(ctx, `DELETE FROM segments WHERE id = ?`, segment)
	}
	if err == nil && n == 0 {
		_, err = b.exec(ctx, `DELETE FROM dead WHERE id = ?`, id)
	}
	// Records that were sealed live on in their segment: nobody wants them out of
	// the WAL, and emptying that makes writers wait.
	return all || segment > 0, true, err
}

// purgeEvents erases a slice of the events whose ids are from from to below, and
// returns how many there were in it.
func (b *Backend) purgeEvents(ctx context.Context, from, below int64) (int64, error) {
	var last sql.NullInt64
	err := b.purges.slice.QueryRowContext(ctx, from, below, purgeRows, purgeBytes).Scan(&last)
	if err != nil || !last.Valid {
		return 0, err
	}
	if _, err := b.exec(ctx, purgeBodiesSQL, from, last.Int64); err != nil {
		return 0, err
	}
	return b.affected(ctx, purgeEventsSQL, from, last.Int64)
}
