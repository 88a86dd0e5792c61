package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/flowlog/checkpoint/driver"
)

// What one transaction of Purge erases, at most: rows, and bytes that are written for
// it unless one row alone has more. Erased pages are overwritten, and a row in bodies
// may be alone on its page. Writers wait for it: about a millisecond, and for a sync.
const (
	purgeRows  = 256
	purgeBytes = 192 << 10
)

const (
	deadSQL        = `SELECT id, rk, below, "all", segment FROM dead ORDER BY id LIMIT 1`
	forgetDeadSQL  = `DELETE FROM dead WHERE id = ?`
	eventsSliceSQL = `SELECT max(id) FROM (
			SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM (
				SELECT e.id, 1024 + iif(e.body, 8192 + ifnull(length(b.state), 0), ifnull(length(e.state), 0)) AS size
				FROM events e LEFT JOIN bodies b ON b.n = e.body WHERE e.id >= ?1 AND e.id < ?2 ORDER BY e.id LIMIT ?3)
		) WHERE before < ?4`
	purgeBodiesSQL  = `DELETE FROM bodies WHERE n IN (SELECT body FROM events WHERE id BETWEEN ? AND ?)`
	purgeEventsSQL  = `DELETE FROM events WHERE id BETWEEN ? AND ?`
	entriesSliceSQL = `SELECT max(key) FROM (
			SELECT key, sum(size) OVER (ORDER BY key) - size AS before FROM (
				SELECT key, 64 + length(value) AS size FROM entries WHERE rk = ?1 ORDER BY key LIMIT ?2)
		) WHERE before < ?3`
	purgeEntriesSQL = `DELETE FROM entries WHERE rk = ? AND key <= ?`
	purgeSegmentSQL = `DELETE FROM segments WHERE id = ?`
	aSegmentSQL     = `DELETE FROM segments WHERE id IN (SELECT id FROM segments WHERE rk = ? LIMIT 1)`
)

// Purge implements [driver.Backend].
func (b *Backend) Purge(ctx context.Context, _ driver.PurgeRequest) (driver.PurgeResult, error) {
	leave, err := b.enterWriting(ctx)
	if err != nil {
		return driver.PurgeResult{}, err
	}
	defer leave()
	if err := b.begin(ctx); err != nil {
		return driver.PurgeResult{}, b.explain(err)
	}
	gone, more, err := b.purgeOne()
	b.erased = b.erased || gone
	if err != nil {
		b.undo(err, false)
		return driver.PurgeResult{}, b.unread(ctx, err)
	}
	if err := b.commit(); err != nil {
		return driver.PurgeResult{}, b.undo(err, true)
	}
	if more { // something was erased
		b.writeBackLater(4 * purgeBytes) // erased pages are overwritten, and others moved
	}
	if b.erased && !more {
		b.erased = b.emptyWAL() != nil
	}
	return driver.PurgeResult{More: more}, nil
}

// emptyWAL writes the WAL back and truncates it, so that no erased data remains in it.
// While others read an old snapshot it can't, and returns errReaders. It doesn't wait
// for them long, since writers wait meanwhile.
func (b *Backend) emptyWAL() error {
	before := b.timeout
	b.setBusyTimeout(10 * time.Millisecond)
	defer b.setBusyTimeout(before)
	var busy, pages, moved int
	err := b.conn.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved)
	if err == nil && busy == 0 {
		b.wal.since, b.wal.bytes = 0, 0
	}
	if err == nil && busy != 0 || code(err) == sqlite3.SQLITE_BUSY {
		return errReaders
	}
	explained := b.explain(err)
	if code(err) == sqlite3.SQLITE_IOERR && !errors.Is(explained, driver.ErrFull) {
		b.doubt(err)
	}
	return explained
}

// dead is a row of the table of data to erase.
type dead struct {
	id, rk, below, segment int64
	all                    bool
}

// purgeOne erases a slice of the first dead data. It reports whether no copy of the
// erased data may be left, and whether there was any dead data.
func (b *Backend) purgeOne() (gone, found bool, err error) {
	var d dead
	err = b.ask(deadSQL).Scan(&d.id, &d.rk, &d.below, &d.all, &d.segment)
	if errors.Is(err, sql.ErrNoRows) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	n, err := b.purgeEvents(d.rk<<32, d.rk<<32+d.below)
	if err == nil && n == 0 && d.all {
		n, err = b.purgeRun(d.rk)
	}
	if err == nil && d.segment > 0 {
		_, err = b.exec(purgeSegmentSQL, d.segment)
	}
	if err == nil && n == 0 {
		_, err = b.exec(forgetDeadSQL, d.id)
	}
	// Sealed records remain in their segment: copies of them in the WAL do no harm, and
	// emptying it makes writers wait.
	return d.all || d.segment > 0, true, err
}

// purgeEvents erases a slice of the events whose ids are from from to below, and returns
// how many there were in it.
func (b *Backend) purgeEvents(from, below int64) (int64, error) {
	var last sql.NullInt64
	err := b.ask(eventsSliceSQL, from, below, purgeRows, purgeBytes).Scan(&last)
	if err != nil || !last.Valid {
		return 0, err
	}
	if _, err := b.exec(purgeBodiesSQL, from, last.Int64); err != nil {
		return 0, err
	}
	return b.affected(purgeEventsSQL, from, last.Int64)
}

// purgeRun erases a slice of the other data of a dropped run, and returns the number of
// its rows. The last slice includes the few slots.
func (b *Backend) purgeRun(rk int64) (int64, error) {
	if n, err := b.affected(aSegmentSQL, rk); err != nil || n > 0 {
		return n, err
	}
	var last []byte
	if err := b.ask(entriesSliceSQL, rk, purgeRows, purgeBytes).Scan(&last); err != nil {
		return 0, err
	}
	if last != nil {
		return b.affected(purgeEntriesSQL, rk, last)
	}
	_, err := b.exec(dropSlotsSQL, rk)
	return 0, err
}
