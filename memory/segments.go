package memory

import (
	"bytes"
	"context"
	"math"

	"github.com/tidwall/btree"

	"github.com/flowlog/checkpoint/driver"
)

// newSegments orders segments by their first seq, then by id.
func newSegments() *btree.BTreeG[driver.Segment] {
	return btree.NewBTreeGOptions(func(x, y driver.Segment) bool {
		if x.First != y.First {
			return x.First < y.First
		}
		return x.ID < y.ID
	}, btree.Options{NoLocks: true})
}

// Segments implements [driver.Backend].
func (b *Backend) Segments(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	defer b.mu.RUnlock()
	r, ok := b.runs.Get(req.Run)
	if !ok {
		return nil, nil
	}
	var out []driver.Segment
	list := func(s driver.Segment) bool {
		if s.First < req.From || s.First > req.To {
			return false
		}
		s.Index, s.Data = nil, nil
		out = append(out, s)
		return len(out) < req.Limit
	}
	if req.Reverse {
		r.segments.Descend(driver.Segment{First: req.To, ID: math.MaxUint64}, list)
	} else {
		r.segments.Ascend(driver.Segment{First: req.From}, list)
	}
	return out, nil
}

// Segment implements [driver.Backend].
func (b *Backend) Segment(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
	if err := b.enter(ctx); err != nil {
		return driver.Segment{}, err
	}
	defer b.mu.RUnlock()
	r, ok := b.runs.Get(req.Run)
	if !ok {
		return driver.Segment{}, driver.ErrNotFound
	}
	s, ok := r.holder(req.Seq)
	if !ok {
		return driver.Segment{}, driver.ErrNotFound
	}
	if s.ID == req.Have {
		s.Index, s.Data = nil, nil
		return s, nil
	}
	s.Index, s.Data = bytes.Clone(s.Index), bytes.Clone(s.Data)
	if req.IndexOnly {
		s.Data = nil
	}
	return s, nil
}

// holder returns the segment that holds an event: the last that begins at or before it.
func (r *run) holder(seq uint64) (found driver.Segment, ok bool) {
	r.segments.Descend(driver.Segment{First: seq, ID: math.MaxUint64}, func(s driver.Segment) bool {
		found, ok = s, s.Last >= seq
		return false
	})
	return found, ok
}
