package log

import (
	"context"
	"errors"
	"fmt"
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
	for _, log := range []string{id, id + noteSuffix} {
		if err := l.drop(ctx, log); err != nil {
			return fmt.Errorf("%sdelete: %w", place(id, 0), err)
		}
	}
	for {
		if err := l.acquire(ctx); err != nil {
			return err
		}
		more, err := l.backend.Purge(ctx)
		l.release()
		if err != nil {
			return fmt.Errorf("%sit is deleted, but not all that it took is erased: %w", place(id, 0), err)
		}
		if !more {
			return nil
		}
	}
}

// drop takes one log out of sight.
func (l *Log) drop(ctx context.Context, id string) error {
	if err := l.acquire(ctx); err != nil {
		return err
	}
	defer l.release()
	l.live.forget(id)
	for {
		// The head may be damaged; its revision is enough.
		h, err := l.backend.Head(ctx, id)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		results, err := l.apply([]Change{{Run: id, Revision: h.Revision, Drop: true}})
		if err != nil {
			return err
		}
		if !errors.Is(results[0].Err, ErrConflict) {
			return results[0].Err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
