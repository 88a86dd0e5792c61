package sqlite

import (
	"context"
	"database/sql/driver"
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
	if err := b.stillThere(); err != nil {
		return nil, &log.NotAppliedError{Err: err}
	}
	results, err := b.transaction(ctx, changes)
	b.lengthen(ctx)
	var bad *errChange
	if !errors.As(err, &bad) {
		return results, err
	}
	// One change can't be made. It must not take the others with it, so each
	// gets a transaction of its own, and its own result.
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
	results := make([]log.Result, len(changes))
	b.shared = len(changes) >= sharedCommit
	if len(changes) == 1 && b.single(&changes[0]) {
		// One statement is a transaction by itself.
		if err := b.append(ctx, &changes[0], &results[0]); err != nil {
			return nil, b.undo(err, true)
		}
		return results, nil
	}
	if _, err := b.exec(ctx, beginSQL); err != nil {
		return nil, b.undo(err, false)
	}
	if err := b.changes(ctx, changes, results); err != nil {
		return nil, b.undo(&errChange{err}, false)
	}
	if b.recent >= maxRecent {
		if err := b.settle(ctx); err != nil {
			return nil, b.undo(err, false)
		}
	}
	if _, err := b.exec(ctx, commitSQL); err != nil {
		return nil, b.undo(err, true)
	}
	return results, nil
}

// single reports whether a change is one statement: an event in the same minute
// as the run's last.
func (b *Backend) single(c *log.Change) bool {
	return len(c.Append) == 1 && plain(c) && b.known[c.Run].minuteOf(c.Revision) >= minute(c.Append[0].Recency)
}

// plain reports whether a change has records to append and nothing else.
func plain(c *log.Change) bool {
	return len(c.Append) > 0 && c.Head == nil && len(c.Rewrite)+len(c.Add)+len(c.Retire) == 0 && !c.Drop
}

// undo rolls back after err and says whether that is certain.
func (b *Backend) undo(err error, committing bool) error {
	ctx := context.Background()
	clear(b.known)
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
	if !committing {
		return &log.NotAppliedError{Err: explained}
	}
	// When writing or syncing the WAL fails during a commit, SQLite reports the
	// failure and hides the changes, but they may be on the disk and show up
	// when the file is opened again. These failures come before that.
	switch code(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_TOOBIG,
		sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_READONLY:
		return &log.NotAppliedError{Err: explained}
	}
	return explained
}

func (b *Backend) exec(ctx context.Context, text string, args ...driver.Value) (driver.Result, error) {
	if st, ok := b.writes[text]; ok {
		return st.exec(ctx, args)
	}
	values := make([]any, len(args))
	for i, v := range args {
		values[i] = v
	}
	return b.conn.ExecContext(ctx, text, values...)
}

// affected runs a statement and returns how many rows it changed.
func (b *Backend) affected(ctx context.Context, text string, args ...driver.Value) (int64, error) {
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
	if !plain(c) {
		delete(b.known, c.Run)
	}
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
		if err := b.settleRun(ctx, rk); err != nil {
			return err
		}
		_, err = b.exec(ctx, insertDeadSQL, rk, int64(log.MaxSeq+1), int64(1), int64(0))
		return err
	case c.Revision == 0:
		h := c.Head
		if h == nil {
			return fmt.Errorf("%w change of run %q: a new run needs a head", log.ErrInvalid, c.Run)
		}
		r, err := b.exec(ctx, insertRunSQL, c.Run, minute(h.Recency), int64(h.Recency), int64(h.Tail), int64(h.Sum), string(h.Data))
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
	case c.Head != nil:
		h := c.Head
		n, err := b.affected(ctx, updateRunSQL, rk, changes, c.Run, minute(h.Recency), int64(h.Recency), int64(h.Tail), int64(h.Sum), string(h.Data), int64(c.Last))
		if err != nil {
			return err
		}
		if n == 0 {
			res.Err = log.ErrConflict
			return nil
		}
	}
	if c.Head != nil {
		changes++
	}
	res.Revision = revision(rk, changes)
	return b.contents(ctx, rk, c, res)
}

func minute(recency uint64) int64 { return int64(recency / 60e9) }

// append adds the records of a change. It finds a conflict at the first of them,
// and has then done nothing.
func (b *Backend) append(ctx context.Context, c *log.Change, res *log.Result) error {
	rk, changes := int64(res.Revision>>32), int64(res.Revision&math.MaxUint32)
	if res.Revision == 0 {
		res.Revision = c.Revision
		rk, changes = int64(c.Revision>>32), int64(c.Revision&math.MaxUint32)
	}
	for i := range c.Append {
		n, err := b.appendOne(ctx, rk, changes, c.Run, &c.Append[i])
		if err != nil {
			return err
		}
		if n == 0 && i > 0 {
			return fmt.Errorf("%w run %q: seq %d can't be appended though the one before it was", log.ErrCorrupt, c.Run, c.Append[i].Seq)
		}
		if n == 0 {
			res.Err = log.ErrConflict
			return nil
		}
	}
	b.learn(c, res.Revision)
	return nil
}

// appendOne adds a record if nothing speaks against it, and returns how many it
// added.
func (b *Backend) appendOne(ctx context.Context, rk, changes int64, run string, r *log.Record) (int64, error) {
	row := eventRow(rk, r)
	if !b.shared {
		return b.affected(ctx, appendEventSQL, append(row, changes, run)...)
	}
	res, err := b.exec(ctx, insertBodySQL, row[1:]...)
	if err != nil {
		return 0, err
	}
	body, err := res.LastInsertId()
	if err != nil {
		return 0, err
	}
	n, err := b.affected(ctx, appendRecentSQL, row[0], body, changes, run)
	b.recent += n
	if err == nil && n == 0 {
		_, err = b.exec(ctx, `DELETE FROM bodies WHERE n = ?`, body)
	}
	return n, err
}

// contents writes what a change has beside its head.
func (b *Backend) contents(ctx context.Context, rk int64, c *log.Change, res *log.Result) error {
	if n := len(c.Append); n > 0 {
		err := b.append(ctx, c, res)
		if err == nil && res.Err != nil && c.Head != nil {
			err = res.Err // the row is written already: undo that
		}
		if err != nil || res.Err != nil {
			return err
		}
		if err := b.touch(ctx, c.Run, c.Append[n-1].Recency); err != nil {
			return err
		}
	}
	if len(c.Rewrite)+len(c.Add) > 0 {
		if err := b.settleRun(ctx, rk); err != nil {
			return err
		}
	}
	if err := b.rewrite(ctx, rk, c.Rewrite); err != nil {
		return err
	}
	for _, s := range c.Add {
		r, err := b.exec(ctx, insertSegmentSQL, rk, int64(s.First), int64(s.Last), s.Index, s.Data)
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
		if _, err := b.exec(ctx, insertDeadSQL, rk, int64(c.Head.Tail), int64(0), int64(0)); err != nil {
			return err
		}
	}
	for _, id := range c.Retire {
		n, err := b.affected(ctx, retireSegmentSQL, int64(id), rk)
		if err != nil {
			return err
		}
		if n == 0 {
			continue // not one of this run: nobody may erase it
		}
		if _, err := b.exec(ctx, insertDeadSQL, rk, int64(0), int64(0), int64(id)); err != nil {
			return err
		}
	}
	return nil
}

// rewrite replaces records. All are deleted before the first is inserted: SQLite joins
// pages that a deletion leaves nearly empty, and none where an update makes a row
// shorter, so that the space of states that were pruned would never come back.
func (b *Backend) rewrite(ctx context.Context, rk int64, recs []log.Record) error {
	there := make([]bool, len(recs))
	for i := range recs {
		id := eventID(rk, recs[i].Seq)
		if _, err := b.exec(ctx, deleteBodySQL, id); err != nil {
			return err
		}
		n, err := b.affected(ctx, deleteEventSQL, id)
		if err != nil {
			return err
		}
		there[i] = n > 0
	}
	for i := range recs {
		if !there[i] {
			continue
		}
		if _, err := b.exec(ctx, insertEventSQL, eventRow(rk, &recs[i])...); err != nil {
			return err
		}
	}
	return nil
}

func eventID(rk int64, seq uint64) int64 { return rk<<32 | int64(seq) }

// eventRow returns the columns of an event in events.
func eventRow(rk int64, r *log.Record) []driver.Value {
	return appendBody(append(make([]driver.Value, 0, 24), eventID(rk, r.Seq)), r)
}

// bodyColumns is how many appendBody appends.
const bodyColumns = 10

// appendBody appends the columns of an event but its id.
func appendBody(row []driver.Value, r *log.Record) []driver.Value {
	return append(row, int64(r.Recency), int64(r.Encoding), int64(r.Base), int64(r.Links), r.Bytes, r.Stored,
		int64(r.Sum), r.Hash[:], string(r.Header), r.State)
}
