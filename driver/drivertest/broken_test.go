package drivertest_test

import (
	"context"
	"math"

	"github.com/flowlog/checkpoint/driver"
)

// broken is a Backend of which some methods were replaced.
type broken struct {
	driver.Backend
	head     func(ctx context.Context, req driver.HeadRequest) (driver.Head, error)
	heads    func(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error)
	records  func(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error)
	segments func(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error)
	segment  func(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error)
	entries  func(ctx context.Context, req driver.EntriesRequest) ([]driver.Entry, error)
	apply    func(ctx context.Context, changes []driver.Change) ([]driver.Result, error)
	slot     func(ctx context.Context, req driver.SlotRequest) (driver.Slot, error)
	setSlot  func(ctx context.Context, c driver.SlotChange) (driver.Slot, error)
	purge    func(ctx context.Context) (more bool, err error)
	close    func() error
}

func (b *broken) Head(ctx context.Context, req driver.HeadRequest) (driver.Head, error) {
	if b.head != nil {
		return b.head(ctx, req)
	}
	return b.Backend.Head(ctx, req)
}

func (b *broken) Heads(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
	if b.heads != nil {
		return b.heads(ctx, req)
	}
	return b.Backend.Heads(ctx, req)
}

func (b *broken) Records(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
	if b.records != nil {
		return b.records(ctx, req)
	}
	return b.Backend.Records(ctx, req)
}

func (b *broken) Segments(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error) {
	if b.segments != nil {
		return b.segments(ctx, req)
	}
	return b.Backend.Segments(ctx, req)
}

func (b *broken) Segment(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
	if b.segment != nil {
		return b.segment(ctx, req)
	}
	return b.Backend.Segment(ctx, req)
}

func (b *broken) Entries(ctx context.Context, req driver.EntriesRequest) ([]driver.Entry, error) {
	if b.entries != nil {
		return b.entries(ctx, req)
	}
	return b.Backend.Entries(ctx, req)
}

func (b *broken) Apply(ctx context.Context, req driver.ApplyRequest) ([]driver.Result, error) {
	if b.apply != nil {
		return b.apply(ctx, req.Changes)
	}
	return b.Backend.Apply(ctx, req)
}

func (b *broken) Slot(ctx context.Context, req driver.SlotRequest) (driver.Slot, error) {
	if b.slot != nil {
		return b.slot(ctx, req)
	}
	return b.Backend.Slot(ctx, req)
}

func (b *broken) SetSlot(ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
	if b.setSlot != nil {
		return b.setSlot(ctx, c)
	}
	return b.Backend.SetSlot(ctx, c)
}

func (b *broken) Purge(ctx context.Context, req driver.PurgeRequest) (driver.PurgeResult, error) {
	if b.purge != nil {
		more, err := b.purge(ctx)
		return driver.PurgeResult{More: more}, err
	}
	return b.Backend.Purge(ctx, req)
}

func (b *broken) Close() error {
	if b.close != nil {
		return b.close()
	}
	return b.Backend.Close()
}

// applying makes an Apply that changes or makes each change in its own way.
func applying(f func(ctx context.Context, c driver.Change) (driver.Result, error)) func(context.Context, []driver.Change) ([]driver.Result, error) {
	return func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
		results := make([]driver.Result, len(changes))
		for i, c := range changes {
			var err error
			if results[i], err = f(ctx, c); err != nil {
				return nil, err
			}
		}
		return results, nil
	}
}

// all makes changes.
func all(ctx context.Context, b driver.Backend, changes []driver.Change) ([]driver.Result, error) {
	return b.Apply(ctx, driver.ApplyRequest{Changes: changes})
}

// one makes a change.
func one(ctx context.Context, b driver.Backend, c driver.Change) (driver.Result, error) {
	results, err := all(ctx, b, []driver.Change{c})
	if err != nil {
		return driver.Result{}, err
	}
	return results[0], nil
}

// headOf returns a run's head.
func headOf(ctx context.Context, b driver.Backend, run string) (driver.Head, error) {
	return b.Head(ctx, driver.HeadRequest{Run: run})
}

// segmentsOf lists a run's segments.
func segmentsOf(ctx context.Context, b driver.Backend, run string) ([]driver.Segment, error) {
	return b.Segments(ctx, driver.SegmentsRequest{Run: run, From: 1, To: driver.MaxSeq, Limit: math.MaxInt32})
}

// retiring names segments as Change.Retire does.
func retiring(segs ...driver.Segment) []driver.Segment {
	var out []driver.Segment
	for _, s := range segs {
		out = append(out, driver.Segment{ID: s.ID, First: s.First})
	}
	return out
}
