package sqlite

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"math"

	"github.com/flowlog/checkpoint/driver"
)

const (
	beginSQL    = `BEGIN IMMEDIATE`
	commitSQL   = `COMMIT`
	rollbackSQL = `ROLLBACK`

	insertRunSQL = `INSERT INTO runs (run, place, class, recency, tail, suite, sum, life, head, changes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
		ON CONFLICT (run) DO NOTHING`
	deleteRunSQL = `DELETE FROM runs WHERE rk = ?1 AND changes = ?2 AND run = ?3 AND (?4 = 0 OR ?4 = ` + lastSeq + `)`
	// lastSeq is the seq of the last event of run ?1, in a statement that changes its row.
	lastSeq = `max(runs.tail - 1,
			ifnull((SELECT max(id) FROM events WHERE id BETWEEN (?1 << 32) + runs.tail AND (?1 << 32) + 4294967295) & 4294967295, 0),
			ifnull((SELECT max(id) FROM recent WHERE id BETWEEN (?1 << 32) + runs.tail AND (?1 << 32) + 4294967295) & 4294967295, 0))`

	deleteEventSQL = `DELETE FROM events WHERE id = ?1`
	deleteBodySQL  = `DELETE FROM bodies WHERE n = (SELECT body FROM events WHERE id = ?1)`
	insertDeadSQL  = `INSERT INTO dead (rk, below, "all", segment) VALUES (?, ?, ?, ?)`
)

// A change with a head finds every conflict with this statement: ?4 is Change.Last, ?5 the
// seq of the first record to append and ?6 the head's tail, below which the records are
// dead then. The run is placed as placeRunSQL does.
var updateRunSQL = `UPDATE runs SET changes = changes + 1, tail = ?6,
	place = CASE WHEN place <= ?7 - ` + lag + ` OR class <> ?8 THEN max(place, ?7) ELSE place END,
	class = ifnull(?8, class), recency = ?9, suite = ?10, sum = ?11, life = ?12, head = ?13
	WHERE rk = ?1 AND changes = ?2 AND run = ?3 AND (?4 = 0 OR ?4 = ` + lastSeq + `) AND (?5 = 0 OR ?5 = 1 + max(?6 - 1, ` + lastSeq + `))`

var insertEventSQL = `INSERT INTO events (id, ` + bodyList + `, body) VALUES (?, ` + bodyParams + `, 0)`

// errChange marks the failure of one change, after which the others may still succeed.
type errChange struct{ err error }

func (e *errChange) Error() string { return e.err.Error() }
func (e *errChange) Unwrap() error { return e.err }

// Apply implements [driver.Backend]: one transaction for all changes.
func (b *Backend) Apply(ctx context.Context, req driver.ApplyRequest) ([]driver.Result, error) {
	leave, err := b.enterWriting(ctx)
	if err != nil {
		return nil, &driver.NotAppliedError{Err: err}
	}
	defer leave()
	results, err := b.transaction(ctx, req.Changes)
	var bad *errChange
	if errors.As(err, &bad) {
		results, err = b.oneByOne(ctx, req.Changes)
	}
	if err == nil {
		b.writeBackLater(bytesOf(req.Changes))
	}
	return results, err
}

// oneByOne makes changes one of which can't be made. That one must not fail the others,
// so each gets its own transaction and result.
func (b *Backend) oneByOne(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
	results := make([]driver.Result, len(changes))
	applied := false
	for i := range changes {
		res, err := b.transaction(ctx, changes[i:i+1])
		var notApplied *driver.NotAppliedError
		var gaveUp *gaveUpError
		switch {
		case err == nil:
			results[i] = res[0]
			applied = true
		case errors.As(err, &gaveUp) && !applied:
			return nil, err
		case errors.As(err, &notApplied):
			results[i].Err = err
		default:
			return nil, err
		}
	}
	return results, nil
}

// transaction makes changes in one transaction. Its error is a [driver.NotAppliedError]
// if the transaction was certainly rolled back.
func (b *Backend) transaction(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
	results := make([]driver.Result, len(changes))
	b.shared = len(changes) >= sharedCommit
	if len(changes) == 1 && b.single(&changes[0]) {
		// One statement is a transaction by itself.
		err := b.lock(ctx, func() error { return b.append(&changes[0], &results[0]) })
		if err != nil {
			return nil, b.undo(err, true)
		}
		return results, nil
	}
	if err := b.begin(ctx); err != nil {
		return nil, b.undo(err, false)
	}
	if err := b.changes(changes, results); err != nil {
		return nil, b.undo(&errChange{err}, false)
	}
	if b.recent >= maxRecent {
		if err := b.settle(); err != nil {
			return nil, b.undo(err, false)
		}
	}
	if err := b.commit(); err != nil {
		return nil, b.undo(err, true)
	}
	return results, nil
}

// change makes one change. Its first statement finds a conflict, so there is nothing to
// undo then.
func (b *Backend) change(c *driver.Change, res *driver.Result) error {
	rk := int64(c.Revision >> 32)
	switch {
	case c.Drop:
		return b.drop(c, res)
	case c.Head == nil && (len(c.Append) == 0 || !appends(c)):
		return b.conflictOr(c, res, "a change needs a head, or has records to append and no others")
	case c.Head == nil && c.Revision == 0:
		return b.conflictOr(c, res, "a new run needs a head")
	case c.Head == nil:
		return b.appendAlone(c, res)
	}
	delete(b.known, c.Run)
	var made bool
	var err error
	if c.Revision == 0 {
		rk, made, err = b.create(c)
		res.Revision = revision(rk, 1)
	} else {
		made, err = b.update(c)
		res.Revision = c.Revision + 1
	}
	if err != nil {
		return err
	}
	if !made {
		return b.conflict(c, res)
	}
	return b.contents(rk, c, res)
}

// conflict refuses a change, and returns the head that it conflicts with.
func (b *Backend) conflict(c *driver.Change, res *driver.Result) error {
	*res = driver.Result{Err: driver.ErrConflict}
	// Without the head the engine asks for it, and finds out why it can't be read.
	if h, err := scanHead(b.ask(headSQL, c.Run)); err == nil {
		res.Head = &h
	}
	return nil
}

// conflictOr refuses a change that can never be made, unless it is a conflict.
func (b *Backend) conflictOr(c *driver.Change, res *driver.Result, reason string) error {
	if err := b.conflict(c, res); err != nil {
		return err
	}
	if (res.Head == nil) == (c.Revision == 0) && (res.Head == nil || res.Head.Revision == c.Revision) {
		*res = driver.Result{Err: &driver.Error{Run: c.Run, Reason: reason, Err: driver.ErrInvalid}}
	}
	return nil
}

// newest returns the recency that a change with a head brings.
func newest(c *driver.Change) int64 {
	at := c.Head.Recency
	if n := len(c.Append); n > 0 {
		at = max(at, c.Append[n-1].Recency)
	}
	return int64(at)
}

// firstSeq returns the seq of the first record to append, 0 if there is none.
func firstSeq(c *driver.Change) int64 {
	if len(c.Append) == 0 {
		return 0
	}
	return int64(c.Append[0].Seq)
}

// classOf returns a change's class as a parameter: null without one.
func classOf(c *driver.Change) sqldriver.Value {
	if c.Class == nil {
		return nil
	}
	return int64(*c.Class)
}

// create makes a run, and returns its key; false for a conflict.
func (b *Backend) create(c *driver.Change) (rk int64, made bool, err error) {
	h := c.Head
	if c.Last != 0 || len(c.Append) > 0 && c.Append[0].Seq != max(h.Tail, 1) {
		return 0, false, nil
	}
	class := int64(0)
	if c.Class != nil {
		class = int64(*c.Class)
	}
	at := newest(c)
	res, err := b.exec(insertRunSQL, c.Run, at, class, int64(h.Recency), int64(max(h.Tail, 1)), int64(h.Suite), signed(h.Sum), h.Life[:], blob(h.Data))
	if err != nil {
		return 0, false, err
	}
	n, err := res.RowsAffected()
	if err != nil || n == 0 {
		return 0, false, err
	}
	rk, err = res.LastInsertId()
	if len(c.Append) > 0 {
		b.remember(c.Run, lastWrite{revision: revision(rk, 1), place: uint64(at), class: int(class)})
	}
	return rk, true, err
}

// update replaces a run's row; false for a conflict.
func (b *Backend) update(c *driver.Change) (made bool, err error) {
	h := c.Head
	n, err := b.affected(updateRunSQL, int64(c.Revision>>32), int64(c.Revision&math.MaxUint32), c.Run, int64(c.Last), firstSeq(c),
		int64(max(h.Tail, 1)), newest(c), classOf(c), int64(h.Recency), int64(h.Suite), signed(h.Sum), h.Life[:], blob(h.Data))
	return n > 0, err
}

// drop removes a run's row and leaves the rest to Purge.
func (b *Backend) drop(c *driver.Change, res *driver.Result) error {
	delete(b.known, c.Run)
	rk := int64(c.Revision >> 32)
	n, err := b.affected(deleteRunSQL, rk, int64(c.Revision&math.MaxUint32), c.Run, int64(c.Last))
	if err != nil {
		return err
	}
	if n == 0 {
		return b.conflict(c, res)
	}
	if err := b.settleRun(rk); err != nil {
		return err
	}
	_, err = b.exec(insertDeadSQL, rk, int64(driver.MaxSeq+1), int64(1), int64(0))
	return err
}

// contents writes all of a change except its head.
func (b *Backend) contents(rk int64, c *driver.Change, res *driver.Result) error {
	if len(c.Append) > 0 {
		added, err := b.appendAll(c, res.Revision)
		if err != nil {
			return err
		}
		if !added {
			return driver.Corrupt(c.Run, c.Append[0].Seq, "the event can't be appended though it follows on the last")
		}
	}
	if len(c.Rewrite)+len(c.Add) > 0 {
		if err := b.settleRun(rk); err != nil {
			return err
		}
	}
	if err := b.rewrite(rk, c.Rewrite); err != nil {
		return err
	}
	if err := b.changeSegments(rk, c, res); err != nil {
		return err
	}
	return b.changeEntries(rk, c)
}

// changeSegments makes a change's changes of segments.
func (b *Backend) changeSegments(rk int64, c *driver.Change, res *driver.Result) error {
	for _, s := range c.Add {
		r, err := b.exec(insertSegmentSQL, rk, int64(s.First), int64(s.Last), s.Index, s.Data)
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
		if _, err := b.exec(insertDeadSQL, rk, int64(c.Head.Tail), int64(0), int64(0)); err != nil {
			return err
		}
	}
	for _, s := range c.Retire {
		n, err := b.affected(retireSegmentSQL, int64(s.ID), rk)
		if err != nil {
			return err
		}
		if n == 0 {
			continue // it belongs to another run and must not be erased
		}
		if _, err := b.exec(insertDeadSQL, rk, int64(0), int64(0), int64(s.ID)); err != nil {
			return err
		}
	}
	return nil
}

// rewrite replaces records. All are deleted before the first is inserted: SQLite joins
// pages that a deletion leaves nearly empty, but not where an update makes a row shorter,
// so the space of states that were pruned would never come back.
func (b *Backend) rewrite(rk int64, recs []driver.Record) error {
	there := make([]bool, len(recs))
	for i := range recs {
		id := eventID(rk, recs[i].Seq)
		if _, err := b.exec(deleteBodySQL, id); err != nil {
			return err
		}
		n, err := b.affected(deleteEventSQL, id)
		if err != nil {
			return err
		}
		there[i] = n > 0
	}
	for i := range recs {
		if !there[i] {
			continue
		}
		b.row = appendBody(append(b.row[:0], eventID(rk, recs[i].Seq)), &recs[i])
		if _, err := b.exec(insertEventSQL, b.row...); err != nil {
			return err
		}
	}
	return nil
}
