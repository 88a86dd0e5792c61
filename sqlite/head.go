package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/flowlog/checkpoint/driver"
)

// The newest event is in recent or, after that, in events. The tip is a few events back
// in either.
var (
	headColumns = `SELECT r.rk, r.changes, r.run, r.place, r.class, r.recency,
		r.tail, r.suite, r.sum, r.life, r.head, ifnull(e.id, p.id), ` + settledColumns("e", "b")
	headFrom = `
		FROM runs r LEFT JOIN recent p
		ON p.id = (SELECT max(id) FROM recent WHERE id BETWEEN (r.rk << 32) + r.tail AND (r.rk << 32) + 4294967295)
		LEFT JOIN events e
		ON e.id = (SELECT max(id) FROM events WHERE id BETWEEN ifnull(p.id, (r.rk << 32) + r.tail) AND (r.rk << 32) + 4294967295)
		LEFT JOIN bodies b ON b.n = ifnull(e.body, p.body) `
	ofTip = ` = iif(?2, ifnull(e.id, p.id) - ifnull(e.tip, b.tip), NULL) AND ifnull(e.id, p.id) - ifnull(e.tip, b.tip) >= (r.rk << 32) + r.tail`

	headSelect = headColumns + headFrom
	headSQL    = headSelect + `WHERE r.run = ?`
	// tipSQL also has the tip, if ?2 is true. It is prepared when the file is opened.
	tipSQL = headColumns + `, ifnull(te.id, tp.id), ` + settledColumns("te", "tb") + `, ifnull(te.state, tb.state)` + headFrom + `
		LEFT JOIN recent tp ON tp.id` + ofTip + `
		LEFT JOIN events te ON te.id` + ofTip + `
		LEFT JOIN bodies tb ON tb.n = ifnull(te.body, tp.body)
		WHERE r.run = ?1`
)

// firstHeads is how many heads use tipSQL also without a tip: to prepare headSQL takes a
// quarter of a millisecond in a new process, and saves 2 µs a head.
const firstHeads = 64

// Head implements [driver.Backend].
func (b *Backend) Head(ctx context.Context, req driver.HeadRequest) (driver.Head, error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return driver.Head{}, err
	}
	defer leave()
	var tip recordRow
	var state []byte
	var h driver.Head
	if req.Tip || b.heads.Add(1) <= firstHeads {
		h, err = scanHead(b.reads.queryRow(ctx, b.readers, tipSQL, req.Run, req.Tip), append(tip.dest(), &state)...)
		if h.Tip = tip.record(); h.Tip != nil {
			h.Tip.State = blob(state)
		}
	} else {
		h, err = scanHead(b.reads.queryRow(ctx, b.readers, headSQL, req.Run))
	}
	if errors.Is(err, sql.ErrNoRows) {
		return driver.Head{}, driver.ErrNotFound
	}
	return h, b.unread(ctx, err)
}

// revision joins a run's key and the number of its changes. Neither part is ever reused
// for a run id.
func revision(rk, changes int64) uint64 { return uint64(rk)<<32 | uint64(changes) }

// scanHead reads a row of headColumns and what follows them.
func scanHead(row interface{ Scan(...any) error }, more ...any) (driver.Head, error) {
	var h driver.Head
	var rk int64
	var changes, place, class, recency, tail, suite, sum number
	var life []byte
	var last recordRow
	dest := append([]any{&rk, &changes, &h.Run, &place, &class, &recency, &tail, &suite, &sum, &life, &h.Data}, last.dest()...)
	if err := row.Scan(append(dest, more...)...); err != nil {
		return driver.Head{}, err
	}
	copy(h.Life[:], life)
	h.Revision, h.Recency, h.Place = revision(rk, int64(changes)), uint64(recency), uint64(place)
	h.Class, h.Suite, h.Tail, h.Sum = uint8(class), uint8(suite), uint64(tail), uint32(sum)
	if h.Last = last.record(); h.Last != nil {
		h.Recency = max(h.Recency, h.Last.Recency)
	}
	return h, nil
}

// Heads implements [driver.Backend].
func (b *Backend) Heads(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	text, args := headsSQL(req)
	rows, err := b.reads.query(ctx, b.readers, text, args...)
	if err != nil {
		return nil, b.explain(err)
	}
	defer rows.Close()
	var heads []driver.Head
	for rows.Next() {
		h, err := scanHead(rows)
		if err != nil {
			return nil, b.unread(ctx, err)
		}
		heads = append(heads, h)
	}
	return heads, b.explain(rows.Err())
}

// headsSQL returns the statement for a page of heads, and its arguments. It reads an
// index in order, and only the rows on the page. Newest first, it also reads the rows
// without the prefix.
func headsSQL(req driver.HeadsRequest) (text string, args []any) {
	var where []string
	need := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	order, run := "r.run", "r.run"
	if req.Newest {
		order = "r.place DESC, r.run DESC"
		run = "+r.run" // the prefix must not choose the index
		if req.Class != nil {
			need("r.class = ?", int64(*req.Class))
		}
		if req.After.Run != "" {
			need("(r.place, r.run) < (?, ?)", int64(req.After.Place), req.After.Run)
		}
	}
	// SQLite reads an index from one lower bound only, so there must not be two.
	if !req.Newest && req.After.Run != "" && req.After.Run >= req.Prefix {
		need("r.run > ?", req.After.Run)
	} else if req.Prefix != "" {
		need(run+" >= ?", req.Prefix)
	}
	if end, ok := prefixEnd(req.Prefix); ok {
		need(run+" < ?", end)
	}
	text = headSelect
	if len(where) > 0 {
		text += "WHERE " + strings.Join(where, " AND ")
	}
	return text + " ORDER BY " + order + " LIMIT ?", append(args, req.Limit)
}

// prefixEnd returns the smallest string that is larger than all that begin with prefix;
// false if there is none.
func prefixEnd(prefix string) (string, bool) {
	for n := len(prefix); n > 0; n-- {
		if c := prefix[n-1]; c < 0xff {
			return prefix[:n-1] + string([]byte{c + 1}), true
		}
	}
	return "", false
}
