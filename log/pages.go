package log

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/flowlog/checkpoint/driver"
)

// A storage whose trees are damaged may return the same page again and again. So each page is
// checked for the order and the range that were asked for, and reading page after page ends.

// page reads a page of heads.
func (l *Log) page(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
	if err := l.readable(ctx); err != nil {
		return nil, err
	}
	heads, err := l.backend.Heads(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	last := &req.After
	for i := range heads {
		h := &heads[i]
		follows := last.Run == "" || strings.Compare(last.Run, h.Run) < 0
		if req.Newest {
			follows = last.Run == "" || cmp.Or(cmp.Compare(last.Place, h.Place), strings.Compare(last.Run, h.Run)) > 0
		}
		if !follows {
			return nil, corrupt("", 0, fmt.Sprintf("list runs: the storage has run %q in the wrong place", driver.Shorten(h.Run)))
		}
		last = h
	}
	return heads, nil
}

// entries reads a page of a run's entries.
func (l *Log) entries(ctx context.Context, req driver.EntriesRequest) ([]driver.Entry, error) {
	found, err := l.backend.Entries(ctx, req)
	if err != nil {
		return nil, err
	}
	for i, e := range found {
		order := -1
		if i > 0 {
			order = bytes.Compare(found[i-1].Key, e.Key)
		}
		if req.Reverse && i > 0 {
			order = -order
		}
		if order >= 0 || bytes.Compare(e.Key, req.From) < 0 || req.To != nil && bytes.Compare(e.Key, req.To) >= 0 {
			return nil, corrupt(req.Run, 0, fmt.Sprintf("the storage has entry %x in the wrong place", e.Key))
		}
	}
	return found, nil
}

// listSegments reads a page of the run's segments.
func (r *reader) listSegments(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error) {
	req.Run = r.run.ID
	segs, err := r.l.backend.Segments(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("%slist segments: %w", place(r.run.ID, 0), err)
	}
	for _, s := range segs {
		if s.First < req.From || s.First > req.To {
			return nil, corrupt(r.run.ID, s.First, fmt.Sprintf("the storage has segment %d in the wrong place", s.ID))
		}
	}
	return segs, nil
}
