package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/flowlog/checkpoint/log"
)

// errChange marks the failure of one change, after which the others may still
// succeed.
type errChange struct{ err error }

func (e *errChange) Error() string { return e.err.Error() }
func (e *errChange) Unwrap() error { return e.err }

// Apply implements [log.Backend]: one transaction for all changes.
func (b *Backend) Apply(ctx context.Context, changes []log.Change) ([]log.Result, error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return nil, &log.NotAppliedError{Err: err}
	}
	defer leave()
	if b.writers == nil {
		return nil, &log.NotAppliedError{Err: log.ErrReadOnly}
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	results, err := b.transaction(ctx, changes)
	var bad *errChange
	if !errors.As(err, &bad) || len(changes) == 1 {
		return results, err
	}
	// One change can't be made. It must not take the others with it, so each
	// gets a transaction of its own.
	results = make([]log.Result, len(changes))
	for i := range changes {
		res, err := b.transaction(ctx, changes[i:i+1])
		var notApplied *log.NotAppliedError
		switch {
		case err == nil:
			results[i] = res[0]
		case errors.As(err, &notApplied):
			results[i].Err = err
		default:
			return nil, err
		}
	}
	return results, nil
}

// transaction makes changes in one transaction. Its error is a
// [log.NotAppliedError] if the transaction was certainly rolled back.
func (b *Backend) transaction(ctx context.Context, changes []log.Change) ([]log.Result, error) {
	if _, err := b.exec(ctx, beginSQL); err != nil {
		return nil, b.undo(err, false)
	}
	results := make([]log.Result, len(changes))
	for i := range changes {
		if err := b.change(ctx, &changes[i], &results[i]); err != nil {
			return nil, b.undo(&errChange{err}, false)
		}
	}
	if _, err := b.exec(ctx, commitSQL); err != nil {
		return nil, b.undo(err, true)
	}
	return results, nil
}

// undo rolls back after err and says whether that is certain.
func (b *Backend) undo(err error, committing bool) error {
	ctx := context.Background()
	// SQLite has rolled back by itself after some errors; then this one fails.
	b.exec(ctx, rollbackSQL)
	// A transaction can only begin if none is open: that is the confirmation.
	_, check := b.exec(ctx, `BEGIN`)
	if check == nil {
		_, check = b.exec(ctx, rollbackSQL)
	}
	explained := b.explain(err)
	if check != nil {
		return fmt.Errorf("%w (and the rollback is not confirmed: %w)", explained, check)
	}
	// When writing or syncing the WAL fails during a commit, SQLite reports the
	// failure and hides the changes, but they may be on the disk and show up
	// when the file is opened again.
	if c := code(err); committing && c != sqlite3.SQLITE_FULL && c != sqlite3.SQLITE_BUSY {
		return explained
	}
	return &log.NotAppliedError{Err: explained}
}

func (b *Backend) exec(ctx context.Context, text string, args ...any) (sql.Result, error) {
	if st, ok := b.writes[text]; ok {
		return st.ExecContext(ctx, args...)
	}
	return b.conn.ExecContext(ctx, text, args...)
}

// affected runs a statement and returns how many rows it changed.
func (b *Backend) affected(ctx context.Context, text string, args ...any) (int64, error) {
	res, err := b.exec(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// change makes one change. A conflict is found by its first statement, so nothing
// has to be undone then.
func (b *Backend) change(ctx context.Context, c *log.Change, res *log.Result) error {
	rk, changes := int64(c.Revision>>32), int64(c.Revision&math.MaxUint32)
	switch {
	case c.Drop:
		n, err := b.affected(ctx, deleteRunSQL, rk, changes, c.Run)
		if err != nil {
			return err
		}
		if n == 0 {
			res.Err = log.ErrConflict
			return nil
		}
		res.Revision = revision(rk, changes+1)
		_, err = b.exec(ctx, insertDeadSQL, rk, log.MaxSeq+1, 1, 0)
		return err
	case c.Revision == 0:
		r, err := b.exec(ctx, insertRunSQL, c.Run, minute(c.Head.Recency), int64(c.Head.Recency), int64(c.Head.Tail), int64(c.Head.Sum), string(c.Head.Data))
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 {
			res.Err = log.ErrConflict
			return nil
		}
		if rk, err = r.LastInsertId(); err != nil {
			return err
		}
		changes = 0
	default:
		args := []any{rk, changes, c.Run, minute(c.Head.Recency), int64(c.Head.Recency), int64(c.Head.Tail), int64(c.Head.Sum), string(c.Head.Data)}
		n, err := b.affected(ctx, updateRunSQL, args...)
		if err == nil && n == 0 {
			n, err = b.affected(ctx, moveRunSQL, args...)
		}
		if err != nil {
			return err
		}
		if n == 0 {
			res.Err = log.ErrConflict
			return nil
		}
	}
	res.Revision = revision(rk, changes+1)
	return b.contents(ctx, rk, c, res)
}

func minute(recency uint64) int64 { return int64(recency / 60e9) }

// contents writes what a change has beside its head.
func (b *Backend) contents(ctx context.Context, rk int64, c *log.Change, res *log.Result) error {
	for i := range c.Append {
		if _, err := b.exec(ctx, insertEventSQL, eventRow(rk, &c.Append[i])...); err != nil {
			return err
		}
	}
	for i := range c.Rewrite {
		if _, err := b.exec(ctx, replaceEventSQL, eventRow(rk, &c.Rewrite[i])...); err != nil {
			return err
		}
	}
	for _, s := range c.Add {
		r, err := b.exec(ctx, insertSegmentSQL, rk, int64(s.First), int64(s.Last), s.Data)
		if err != nil {
			return err
		}
		id, err := r.LastInsertId()
		if err != nil {
			return err
		}
		res.Added = append(res.Added, uint64(id))
	}
	if len(c.Add) > 0 { // only then has the tail moved
		if _, err := b.exec(ctx, insertDeadSQL, rk, int64(c.Head.Tail), 0, 0); err != nil {
			return err
		}
	}
	for _, id := range c.Retire {
		if _, err := b.exec(ctx, retireSegmentSQL, int64(id), rk); err != nil {
			return err
		}
		if _, err := b.exec(ctx, insertDeadSQL, rk, 0, 0, int64(id)); err != nil {
			return err
		}
	}
	return nil
}

func eventRow(rk int64, r *log.Record) []any {
	return []any{rk<<32 | int64(r.Seq), int64(r.Encoding), int64(r.Base), int64(r.Links), int64(r.Sum), r.Hash[:], string(r.Header), r.State}
}

// purgeSlice is how many rows one transaction of Purge erases, at most.
const purgeSlice = 256

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
	if _, err := b.exec(ctx, beginSQL); err != nil {
		return false, b.explain(err)
	}
	worked, err := b.purgeOne(ctx)
	if err == nil {
		err = b.conn.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM dead)`).Scan(&more)
	}
	if err == nil {
		_, err = b.exec(ctx, commitSQL)
	}
	if err != nil {
		b.exec(context.Background(), rollbackSQL)
		return false, b.explain(err)
	}
	if worked && !more {
		b.emptyWAL(ctx)
	}
	return more, nil
}

// emptyWAL writes the WAL back and cuts it to nothing, so that what was erased
// does not live on in it. While others read or write that can't be done; it then
// happens when the WAL is next written back, and is no error.
func (b *Backend) emptyWAL(ctx context.Context) {
	b.exec(ctx, `PRAGMA busy_timeout = 100`)
	b.exec(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	b.exec(ctx, fmt.Sprintf(`PRAGMA busy_timeout = %d`, b.opts.BusyTimeout.Milliseconds()))
}

// purgeOne erases a slice of the first thing that is dead.
func (b *Backend) purgeOne(ctx context.Context) (worked bool, err error) {
	var id, rk, below, segment int64
	var all bool
	err = b.conn.QueryRowContext(ctx, `SELECT id, rk, below, "all", segment FROM dead ORDER BY id LIMIT 1`).Scan(&id, &rk, &below, &all, &segment)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	n := int64(0)
	if below > 0 {
		n, err = b.affected(ctx, `DELETE FROM events WHERE id IN
			(SELECT id FROM events WHERE id >= ?1 << 32 AND id < (?1 << 32) + ?2 ORDER BY id LIMIT ?3)`, rk, below, purgeSlice)
	}
	if err == nil && n < purgeSlice && all {
		n, err = b.affected(ctx, `DELETE FROM segments WHERE id IN (SELECT id FROM segments WHERE rk = ? LIMIT 1)`, rk)
		n *= purgeSlice
	}
	if err == nil && segment > 0 {
		_, err = b.exec(ctx, `DELETE FROM segments WHERE id = ?`, segment)
	}
	if err == nil && n < purgeSlice {
		_, err = b.exec(ctx, `DELETE FROM dead WHERE id = ?`, id)
	}
	return true, err
}
