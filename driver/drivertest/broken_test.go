package drivertest_test

import (
	"context"

	"github.com/flowlog/checkpoint/driver"
)

// broken is a Backend of which some methods were replaced.
type broken struct {
	driver.Backend
	head     func(ctx context.Context, run string) (driver.Head, error)
	heads    func(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error)
	records  func(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error)
	segments func(ctx context.Context, run string) ([]driver.Segment, error)
	segment  func(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error)
	apply    func(ctx context.Context, changes []driver.Change) ([]driver.Result, error)
	purge    func(ctx context.Context) (bool, error)
	close    func() error
}

func (b *broken) Head(ctx context.Context, run string) (driver.Head, error) {
	if b.head != nil {
		return b.head(ctx, run)
	}
	return b.Backend.Head(ctx, run)
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

func (b *broken) Segments(ctx context.Context, run string) ([]driver.Segment, error) {
	if b.segments != nil {
		return b.segments(ctx, run)
	}
	return b.Backend.Segments(ctx, run)
}

func (b *broken) Segment(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
	if b.segment != nil {
		return b.segment(ctx, req)
	}
	return b.Backend.Segment(ctx, req)
}

func (b *broken) Apply(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
	if b.apply != nil {
		return b.apply(ctx, changes)
	}
	return b.Backend.Apply(ctx, changes)
}

func (b *broken) Purge(ctx context.Context) (bool, error) {
	if b.purge != nil {
		return b.purge(ctx)
	}
	return b.Backend.Purge(ctx)
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

// one makes a change.
func one(ctx context.Context, b driver.Backend, c driver.Change) (driver.Result, error) {
	results, err := b.Apply(ctx, []driver.Change{c})
	if err != nil {
		return driver.Result{}, err
	}
	return results[0], nil
}
