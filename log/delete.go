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
	if err := l.drop(ctx, id, id+noteSuffix); err != nil {
		return fmt.Errorf("%sdelete: %w", place(id, 0), err)
	}
	if err := l.purge(ctx); err != nil {
		return fmt.Errorf("%sit is deleted, but not all that it took is erased: %w", place(id, 0), err)
	}
	return nil
}

// purge erases all that is dead.
func (l *Log) purge(ctx context.Context) error {
	for {
		if more, err := l.Purge(ctx); err != nil || !more {
			return err
		}
	}
}

// drop takes logs out of sight: in one call, so that a crash does not leave notes
// without their run, which nobody would erase, wherever one transaction can hold
// both.
func (l *Log) drop(ctx context.Context, ids ...string) error {
	if err := l.acquire(ctx); err != nil {
		return err
	}
	defer l.release()
	for _, id := range ids {
		l.live.forget(id)
	}
	for {
		var changes []Change
		for _, id := range ids {
			// The head may be damaged; its revision is enough.
			h, err := l.backend.Head(ctx, id)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			changes = append(changes, Change{Run: id, Revision: h.Revision, Drop: true})
		}
		if len(changes) == 0 {
			return nil
		}
		results, err := l.apply(changes)
		if err != nil {
			return err
		}
		conflict := false
		for i := range results {
			switch err := results[i].Err; {
			case errors.Is(err, ErrConflict):
				conflict = true
			case err != nil:
				return err
			}
		}
		if !conflict {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
