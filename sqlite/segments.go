package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/flowlog/checkpoint/driver"
)

const (
	segmentColumns  = `s.id, s.first, s.last, length(s."index") + length(s.data)`
	segmentsFrom    = ` FROM runs r CROSS JOIN segments s ON s.rk = r.rk WHERE r.run = ?1 AND s.live AND `
	segmentsSQL     = `SELECT ` + segmentColumns + segmentsFrom + `s.first BETWEEN ?2 AND ?3 ORDER BY s.first, s.id LIMIT ?4`
	segmentsDownSQL = `SELECT ` + segmentColumns + segmentsFrom + `s.first BETWEEN ?2 AND ?3 ORDER BY s.first DESC, s.id DESC LIMIT ?4`

	// The segment that holds an event is the last that begins at or before it. If a
	// damaged row seems to begin in between, it is an earlier one.
	segmentSQL = `SELECT ` + segmentColumns + `, CASE WHEN s.id <> ?3 THEN s."index" END, CASE WHEN s.id <> ?3 AND ?4 THEN s.data END
		FROM segments s WHERE s.id = (SELECT id FROM (
			SELECT s.id, s.last` + segmentsFrom + `s.first <= ?2 ORDER BY s.first DESC, s.id DESC LIMIT 8
		) WHERE last >= ?2 LIMIT 1)`

	insertSegmentSQL = `INSERT INTO segments (rk, first, last, live, "index", data) VALUES (?, ?, ?, 1, ?, ?)`
	retireSegmentSQL = `UPDATE segments SET live = 0 WHERE id = ? AND rk = ? AND live`
)

// Segments implements [driver.Backend].
func (b *Backend) Segments(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	text := segmentsSQL
	if req.Reverse {
		text = segmentsDownSQL
	}
	rows, err := b.reads.query(ctx, b.readers, text, req.Run, seqParam(req.From), seqParam(req.To), req.Limit)
	if err != nil {
		return nil, b.explain(err)
	}
	defer rows.Close()
	var out []driver.Segment
	for rows.Next() {
		s, err := scanSegment(rows)
		if err != nil {
			return nil, b.unread(ctx, err)
		}
		out = append(out, s)
	}
	return out, b.explain(rows.Err())
}

// scanSegment reads a row of segmentColumns and what follows them.
func scanSegment(row interface{ Scan(...any) error }, more ...any) (driver.Segment, error) {
	var id int64
	var first, last, size number
	if err := row.Scan(append([]any{&id, &first, &last, &size}, more...)...); err != nil {
		return driver.Segment{}, err
	}
	return driver.Segment{ID: uint64(id), First: uint64(first), Last: uint64(last), Size: int64(size)}, nil
}

// Segment implements [driver.Backend].
func (b *Backend) Segment(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return driver.Segment{}, err
	}
	defer leave()
	var index, data []byte
	row := b.reads.queryRow(ctx, b.readers, segmentSQL, req.Run, seqParam(req.Seq), int64(req.Have), !req.IndexOnly)
	s, err := scanSegment(row, &index, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return driver.Segment{}, driver.ErrNotFound
	}
	s.Index, s.Data = index, data
	return s, b.unread(ctx, err)
}
