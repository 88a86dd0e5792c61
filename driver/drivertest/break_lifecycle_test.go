package drivertest_test

import (
	"context"
	"errors"
	"sync"

	"github.com/flowlog/checkpoint/driver"
)

// lifecycleBreakages break contexts and Close.
func lifecycleBreakages() []breakage {
	return []breakage{
		{"ignores the context", "a method that was given a cancelled context returns an error that satisfies ctx.Err()", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, segments: func(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error) {
				return b.Segments(context.WithoutCancel(ctx), req)
			}}
		}},
		{"writes in spite of the context", "an Apply that was given a cancelled context changes nothing and says so with a NotAppliedError", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, apply: func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
				results, err := all(context.WithoutCancel(ctx), b, changes)
				if ctx.Err() != nil {
					return nil, &driver.NotAppliedError{Err: ctx.Err()}
				}
				return results, err
			}}
		}},
		{"does not say that nothing was written", "an Apply that was given a cancelled context changes nothing and says so with a NotAppliedError", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, apply: func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
				results, err := all(ctx, b, changes)
				if ctx.Err() != nil {
					err = ctx.Err()
				}
				return results, err
			}}
		}},
		{"gives up after half the changes", "after a NotAppliedError none of the changes was or will be made; without an error all were", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, apply: func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
				if _, ok := ctx.Deadline(); ok && len(changes) == 2 {
					all(context.WithoutCancel(ctx), b, changes[:1])
					return nil, &driver.NotAppliedError{Err: context.DeadlineExceeded}
				}
				return all(ctx, b, changes)
			}}
		}},
		{"answers after Close", "after Close every method returns ErrClosed", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, close: func() error { return nil }}
		}},
		{"fails when it is closed again", "a second Close does nothing and returns nil", func(b driver.Backend) driver.Backend {
			var mu sync.Mutex
			closed := false
			return &broken{Backend: b, close: func() error {
				mu.Lock()
				defer mu.Unlock()
				if closed {
					return driver.ErrClosed
				}
				closed = true
				return b.Close()
			}}
		}},
		{"fails in its own way while it is closed", "Close may be called at any time: calls under way end as they would have, later ones are ErrClosed", ownErrors},
	}
}

// ownErrors says in words of its own that it is closed.
func ownErrors(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
		results, err := all(ctx, b, changes)
		if errors.Is(err, driver.ErrClosed) {
			err = errors.New("bad file descriptor")
		}
		return results, err
	}}
}
