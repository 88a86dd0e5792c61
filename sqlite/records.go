package sqlite

import (
	"context"
	"errors"

	"github.com/flowlog/checkpoint/driver"
)

// recordsSQL returns the statement for a page of records: events and recent, merged as
// they are read, and their states if ?5 is true.
func recordsSQL(reverse bool) string {
	const of = ` b ON b.n = e.body WHERE r.run = ?1 AND e.id BETWEEN (r.rk << 32) + max(?2, r.tail) AND (r.rk << 32) + ?3`
	settled, recent := settledColumns("e", "b")+`, iif(?5, ifnull(e.state, b.state), NULL)`, recentColumns+`, iif(?5, b.state, NULL)`
	order := ` ORDER BY 1 `
	if reverse {
		order += `DESC `
	}
	return `SELECT e.id, ` + settled + ` FROM runs r CROSS JOIN events e LEFT JOIN bodies` + of +
		` UNION ALL SELECT e.id, ` + recent + ` FROM runs r CROSS JOIN recent e CROSS JOIN bodies` + of + order + `LIMIT ?4`
}

var recordsUpSQL, recordsDownSQL = recordsSQL(false), recordsSQL(true)

// Records implements [driver.Backend].
func (b *Backend) Records(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	out, err := b.records(ctx, req)
	if len(out) > 0 && errors.Is(err, driver.ErrCorrupt) {
		return out, nil // the page ends there
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (b *Backend) records(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
	text := recordsUpSQL
	if req.Reverse {
		text = recordsDownSQL
	}
	rows, err := b.reads.query(ctx, b.readers, text, req.Run, seqParam(req.From), seqParam(req.To), req.Limit, !req.HeadersOnly)
	if err != nil {
		return nil, b.explain(err)
	}
	defer rows.Close()
	var out []driver.Record
	var size int64
	for rows.Next() {
		var n recordRow
		var state []byte
		if err := rows.Scan(append(n.dest(), &state)...); err != nil {
			return out, b.unread(ctx, err)
		}
		r := n.record()
		if !req.HeadersOnly {
			r.State = blob(state)
		}
		size += int64(len(r.Header) + len(r.State))
		if req.MaxBytes > 0 && size > req.MaxBytes && len(out) > 0 {
			break
		}
		out = append(out, *r)
	}
	return out, b.explain(rows.Err())
}

// seqParam limits a seq to the range of a rowid.
func seqParam(seq uint64) int64 { return int64(min(seq, driver.MaxSeq)) }
