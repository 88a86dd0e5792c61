package log

import (
	"context"
	"errors"
	"fmt"

	"github.com/flowlog/checkpoint/driver"
)

// Delete erases a run and its notes: no event of it is found from then on, and
// when Delete returns nil the backend has erased what it took. A run that
// doesn't exist is no error. The same id can be used again, for a new life of the
// run that begins at seq 1.
//
// Durability and errors are as with [Log.Append]. Once the run is gone, a
// cancelled ctx stops the erasing of what it took; the next Delete goes on with
// that.
func (l *Log) Delete(ctx context.Context, id string) error {
	if err := checkID("run id", id); err != nil {
		return err
	}
	if err := l.drop(ctx, id); err != nil {
		return fmt.Errorf("%sdelete: %w", place(id, 0), err)
	}
	if err := l.purgeAll(ctx); err != nil {
		return fmt.Errorf("%sit is deleted, but not all that it took is erased: %w", place(id, 0), err)
	}
	return nil
}

// purgeAll erases all that is dead.
func (l *Log) purgeAll(ctx context.Context) error {
	for {
		if more, err := l.Purge(ctx); err != nil || !more {
			return err
		}
	}
}

// drop makes a run invisible.
func (l *Log) drop(ctx context.Context, id string) error {
	if err := l.acquire(ctx); err != nil {
		return err
	}
	defer l.release()
	l.live.forget(id)
	for {
		// The head may be damaged; its revision is enough.
		h, err := l.backend.Head(ctx, driver.HeadRequest{Run: id})
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = l.applyOne(ctx, driver.Change{Run: id, Revision: h.Revision, Drop: true})
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
