package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/flowlog/checkpoint/log"
)

// One transaction of Purge erases for about purgeTime, since writers wait for it.
// It looks at the clock after each piece: rows, and bytes of states unless one alone
// has more. Erased pages are overwritten, so the bytes are written.
const (
	purgeTime  = time.Millisecond
	purgeRows  = 32
	purgeBytes = 256 << 10
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
	if _, err := b.exec(ctx, beginSQL); err != nil {
		return false, b.explain(err)
	}
	more = true
	for start := time.Now(); err == nil && more && time.Since(start) < purgeTime; {
		var gone bool
		gone, more, err = b.purgeOne(ctx)
		b.erased = b.erased || gone
	}
	if err == nil {
		_, err = b.exec(ctx, commitSQL)
	}
	if err != nil {
		b.exec(context.Background(), rollbackSQL)
		return false, b.explain(err)
	}
	if b.erased && !more {
		b.erased = !b.emptyWAL()
	}
	return more, nil
}

// emptyWAL writes the WAL back and cuts it to nothing, so that what was erased
// does not live on in it. It reports whether it could: not while others read what
// was there before, for which it doesn't wait long since writers wait for it.
func (b *Backend) emptyWAL() bool {
	ctx := context.Background() // the timeout must be put back whatever happens
	b.exec(ctx, `PRAGMA busy_timeout = 10`)
	defer b.exec(ctx, fmt.Sprintf(`PRAGMA busy_timeout = %d`, b.opts.BusyTimeout.Milliseconds()))
	var busy, pages, moved int
	err := b.conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved)
	return err == nil && busy == 0
}

// purgeOne erases a piece of the first thing that is dead. It reports whether what
// it erased is to live on nowhere, and whether there was anything.
func (b *Backend) purgeOne(ctx context.Context) (gone, found bool, err error) {
	var id, rk, below, segment int64
	var all bool
	err = b.conn.QueryRowContext(ctx, `SELECT id, rk, below, "all", segment FROM dead ORDER BY id LIMIT 1`).Scan(&id, &rk, &below, &all, &segment)
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

// purgeEvents erases a piece of the events whose ids are from from to below, and
// returns how many there were in it.
func (b *Backend) purgeEvents(ctx context.Context, from, below int64) (int64, error) {
	var last sql.NullInt64
	err := b.conn.QueryRowContext(ctx, `SELECT max(id) FROM (
			SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM (
				SELECT e.id, ifnull(length(e.state), ifnull(length(b.state), 0)) AS size
				FROM events e LEFT JOIN bodies b ON b.n = e.body WHERE e.id >= ? AND e.id < ? ORDER BY e.id LIMIT ?)
		) WHERE before < ?`, from, below, purgeRows, purgeBytes).Scan(&last)
	if err != nil || !last.Valid {
		return 0, err
	}
	if _, err := b.exec(ctx, `DELETE FROM bodies WHERE n IN (SELECT body FROM events WHERE id BETWEEN ? AND ?)`, from, last.Int64); err != nil {
		return 0, err
	}
	return b.affected(ctx, `DELETE FROM events WHERE id BETWEEN ? AND ?`, from, last.Int64)
}
