package drivertest_test

import (
	"context"
	"errors"

	"github.com/flowlog/checkpoint/driver"
)

// eraser is a Backend with an Erase and a Purge of its own.
type eraser struct {
	driver.Backend
	erase func(ctx context.Context) error
	more  bool
}

func (e *eraser) Erase(ctx context.Context) error { return e.erase(ctx) }

func (e *eraser) Purge(ctx context.Context, req driver.PurgeRequest) (driver.PurgeResult, error) {
	more := e.more
	e.more = false
	_, err := e.Backend.Purge(ctx, req)
	return driver.PurgeResult{More: more}, err
}

// eraseBreakages break what must hold of Erase.
func eraseBreakages() []breakage {
	erasing := func(erase func(ctx context.Context, b *eraser) error) func(driver.Backend) driver.Backend {
		return func(b driver.Backend) driver.Backend {
			e := &eraser{Backend: b}
			e.erase = func(ctx context.Context) error { return erase(ctx, e) }
			return e
		}
	}
	open := func(ctx context.Context, b *eraser) error { // as long as it is
		_, err := b.Backend.Purge(ctx, driver.PurgeRequest{})
		return err
	}
	return []breakage{
		{"erases a segment in force", "Erase changes nothing that can be read", erasing(func(ctx context.Context, b *eraser) error {
			heads, _ := b.Heads(ctx, driver.HeadsRequest{Limit: 100})
			for _, h := range heads {
				if segs, _ := segmentsOf(ctx, b, h.Run); len(segs) > 0 && h.Tail == 5 && len(heads) == 2 {
					one(ctx, b, driver.Change{Run: h.Run, Revision: h.Revision, Head: &h, Retire: retiring(segs[0])})
				}
			}
			return open(ctx, b)
		})},
		{"leaves something to Purge", "after Erase there is nothing left for Purge to do", erasing(func(ctx context.Context, b *eraser) error {
			b.more = true
			return open(ctx, b)
		})},
		{"loses a run when it is stopped", "a done ctx ends Erase, and nothing is lost", erasing(func(ctx context.Context, b *eraser) error {
			if ctx.Err() != nil {
				dropAny(b)
			}
			return open(ctx, b)
		})},
		{"erases after Close", "after Close, Erase returns ErrClosed", erasing(func(ctx context.Context, b *eraser) error {
			if err := open(ctx, b); !errors.Is(err, driver.ErrClosed) {
				return err
			}
			return nil
		})},
	}
}
