package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"github.com/flowlog/checkpoint/log"
)

// Head implements [log.Backend].
func (b *Backend) Head(ctx context.Context, id string) (log.Head, error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return log.Head{}, err
	}
	defer leave()
	row, err := b.queryRow(ctx, headSQL, id)
	if err != nil {
		return log.Head{}, b.explain(err)
	}
	h, err := scanHead(row)
	if errors.Is(err, sql.ErrNoRows) {
		return log.Head{}, log.ErrNotFound
	}
	return h, b.unread(ctx, err)
}

// query runs a statement that reads.
func (b *Backend) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	st, err := b.reads.get(ctx, b.readers, text)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

// queryRow runs a statement that reads one row.
func (b *Backend) queryRow(ctx context.Context, text string, args ...any) (*sql.Row, error) {
	st, err := b.reads.get(ctx, b.readers, text)
	if err != nil {
		return nil, err
	}
	return st.QueryRowContext(ctx, args...), nil
}

// unread explains why a row could not be taken: a column that is not of its type
// is damaged.
func (b *Backend) unread(ctx context.Context, err error) error {
	if err != nil && code(err) == 0 && ctx.Err() == nil {
		return fmt.Errorf("%s: %w: %w", b.path, log.ErrCorrupt, err)
	}
	return b.explain(err)
}

// revision joins a run's key and the number of its changes; neither part ever
// comes back for one run id.
func revision(rk, changes int64) uint64 { return uint64(rk)<<32 | uint64(changes) }

func scanHead(row interface{ Scan(...any) error }) (log.Head, error) {
	var h log.Head
	var rk int64
	var changes, recency, tail, sum number
	var last nullRecord
	err := row.Scan(append([]any{&rk, &changes, &h.Run, &recency, &tail, &sum, &h.Data}, last.dest()...)...)
	if err != nil {
		return log.Head{}, err
	}
	h.Revision, h.Recency, h.Tail, h.Sum = revision(rk, int64(changes)), uint64(recency), uint64(tail), uint32(sum)
	if last.id.Valid {
		r := last.record()
		h.Last = &r
	}
	return h, nil
}

// number takes a column of a run's row or a record, and 0 from one that damage made
// something else, or that is null: the checksum tells, and one damaged row does not
// spoil a list of them.
type number int64

// Scan implements [sql.Scanner].
func (n *number) Scan(v any) error {
	i, _ := v.(int64)
	*n = number(i)
	return nil
}

// nullRecord takes the columns of a record that may not be there.
type nullRecord struct {
	id                                                         sql.NullInt64
	recency, encoding, base, links, bytes, stored, sum, length number
	hash, header                                               []byte
}

// dest returns where to put an id and recordColumns.
func (n *nullRecord) dest() []any {
	return []any{&n.id, &n.recency, &n.encoding, &n.base, &n.links, &n.bytes, &n.stored, &n.sum, &n.hash, &n.header, &n.length}
}

func (n *nullRecord) record() log.Record {
	r := log.Record{
		Seq: uint64(n.id.Int64 & math.MaxUint32), Recency: uint64(n.recency), Encoding: log.Encoding(n.encoding),
		Base: uint64(n.base), Links: uint32(n.links), Bytes: int64(n.bytes), Stored: int64(n.stored),
		Sum: uint32(n.sum), Header: n.header, StateLen: int64(n.length),
	}
	copy(r.Hash[:], n.hash)
	return r
}

// Heads implements [log.Backend].
func (b *Backend) Heads(ctx context.Context, req log.HeadsRequest) ([]log.Head, error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var rows *sql.Rows
	if req.Newest {
		recency := int64(math.MaxInt64)
		if req.After.Run != "" {
			recency = int64(req.After.Recency)
		}
		rows, err = b.query(ctx, headsByAgeSQL, req.After.Run, req.Prefix, recency, req.Limit)
	} else {
		rows, err = b.query(ctx, headsByIDSQL, req.After.Run, req.Prefix, req.Limit)
	}
	if err != nil {
		return nil, b.explain(err)
	}
	defer rows.Close()
	var heads []log.Head
	for rows.Next() {
		h, err := scanHead(rows)
		if err != nil {
			return nil, b.unread(ctx, err)
		}
		heads = append(heads, h)
	}
	return heads, b.explain(rows.Err())
}

// Records implements [log.Backend].
func (b *Backend) Records(ctx context.Context, req log.RecordsRequest) ([]log.Record, error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	rows, err := b.query(ctx, recordsSQL(!req.HeadersOnly, req.Reverse),
		req.Run, seqParam(req.From), seqParam(req.To), req.Limit)
	if err != nil {
		return nil, b.explain(err)
	}
	defer rows.Close()
	var out []log.Record
	var size int64
	for rows.Next() {
		var n nullRecord
		var state []byte
		dest := n.dest()
		if !req.HeadersOnly {
			dest = append(dest, &state)
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, b.unread(ctx, err)
		}
		r := n.record()
		r.State = state
		if r.State == nil && !req.HeadersOnly {
			r.State = []byte{}
		}
		size += int64(len(r.Header) + len(r.State))
		if req.MaxBytes > 0 && size > req.MaxBytes && len(out) > 0 {
			break
		}
		out = append(out, r)
	}
	return out, b.explain(rows.Err())
}

// seqParam keeps a seq within what a rowid has room for.
func seqParam(seq uint64) int64 { return int64(min(seq, log.MaxSeq)) }

// Segments implements [log.Backend].
func (b *Backend) Segments(ctx context.Context, id string) ([]log.Segment, error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	rows, err := b.query(ctx, segmentsSQL, id)
	if err != nil {
		return nil, b.explain(err)
	}
	defer rows.Close()
	var out []log.Segment
	for rows.Next() {
		var s log.Segment
		if err := rows.Scan(&s.ID, &s.First, &s.Last, &s.Size); err != nil {
			return nil, b.unread(ctx, err)
		}
		out = append(out, s)
	}
	return out, b.explain(rows.Err())
}

// Segment implements [log.Backend].
func (b *Backend) Segment(ctx context.Context, req log.SegmentRequest) (log.Segment, error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return log.Segment{}, err
	}
	defer leave()
	text := segmentSQL
	if req.IndexOnly {
		text = indexSQL
	}
	row, err := b.queryRow(ctx, text, req.Run, int64(req.ID))
	if err != nil {
		return log.Segment{}, b.explain(err)
	}
	var s log.Segment
	err = row.Scan(&s.ID, &s.First, &s.Last, &s.Size, &s.Index, &s.Data)
	if errors.Is(err, sql.ErrNoRows) {
		return log.Segment{}, log.ErrNotFound
	}
	return s, b.unread(ctx, err)
}
