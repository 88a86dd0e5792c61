package sqlite

import (
	"context"
	"strings"

	"github.com/flowlog/checkpoint/driver"
)

const (
	putEntrySQL = `INSERT INTO entries (rk, key, value) VALUES (?, ?, ?) ON CONFLICT (rk, key) DO UPDATE SET value = excluded.value`
	removeSQL   = `DELETE FROM entries WHERE rk = ? AND key >= ? AND key < ?`
	removeUpSQL = `DELETE FROM entries WHERE rk = ? AND key >= ?`
)

// Entries implements [driver.Backend].
func (b *Backend) Entries(ctx context.Context, req driver.EntriesRequest) ([]driver.Entry, error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	text, args := entriesSQL(req)
	rows, err := b.reads.query(ctx, b.readers, text, args...)
	if err != nil {
		return nil, b.explain(err)
	}
	defer rows.Close()
	var out []driver.Entry
	var size int64
	for rows.Next() {
		var e driver.Entry
		if err := rows.Scan(&e.Key, &e.Value); err != nil {
			return nil, b.unread(ctx, err)
		}
		e.Value = blob(e.Value)
		size += int64(len(e.Key) + len(e.Value))
		if req.MaxBytes > 0 && size > req.MaxBytes && len(out) > 0 {
			break
		}
		out = append(out, e)
	}
	return out, b.explain(rows.Err())
}

func entriesSQL(req driver.EntriesRequest) (text string, args []any) {
	var s strings.Builder
	s.WriteString(`SELECT e.key, e.value FROM runs r CROSS JOIN entries e ON e.rk = r.rk WHERE r.run = ? AND e.key >= ?`)
	args = []any{req.Run, blob(req.From)}
	if req.To != nil {
		s.WriteString(` AND e.key < ?`)
		args = append(args, req.To)
	}
	s.WriteString(` ORDER BY e.key`)
	if req.Reverse {
		s.WriteString(` DESC`)
	}
	s.WriteString(` LIMIT ?`)
	return s.String(), append(args, req.Limit)
}

// changeEntries makes a change's changes of entries.
func (b *Backend) changeEntries(rk int64, c *driver.Change) error {
	for _, in := range c.Remove {
		var err error
		if in.To == nil {
			_, err = b.exec(removeUpSQL, rk, blob(in.From))
		} else {
			_, err = b.exec(removeSQL, rk, blob(in.From), in.To)
		}
		if err != nil {
			return err
		}
	}
	for _, e := range c.Put {
		if _, err := b.exec(putEntrySQL, rk, e.Key, blob(e.Value)); err != nil {
			return err
		}
	}
	return nil
}
