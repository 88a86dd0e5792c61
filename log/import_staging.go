package log

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/flowlog/checkpoint/driver"
)

// An import stores a run's segments one by one, under the run's own id and a head that
// marks the run as staged: it is invisible. When all of it has been read back, one change
// of the head makes it a run. After a crash, the rest stays staged until the run is
// imported again, saved to or deleted, or Sweep removes it.

// staging returns a run to import.
func staging(id string) Run {
	return Run{ID: id, tail: 1, recency: 1, row: row{Version: formatVersion, Rewrites: 1 + uint64(rand.Uint32())<<16}}
}

// clear removes a run that is staged. The caller holds the writer's slot. ErrConflict
// says that it has changed since it was read.
func (l *Log) clear(ctx context.Context, run Run) error {
	l.live.forget(run.ID)
	_, err := l.applyOne(ctx, driver.Change{Run: run.ID, Revision: run.revision, Drop: true})
	return err
}

// stage makes a change to a run that is staged. The caller holds the writer's slot.
func (l *Log) stage(ctx context.Context, run *Run, c driver.Change) error {
	class := uint8(classStaged)
	c.Run, c.Revision, c.Class = run.ID, run.revision, &class
	run.row.Staged = time.Now().UTC()
	var err error
	if c.Head, err = run.head(); err != nil {
		return err
	}
	res, err := l.applyOne(ctx, c)
	if err == nil {
		run.revision = res.Revision
	}
	return err
}

// settled reads a run's head, and removes the run if it is staged. The caller holds the
// writer's slot.
func (l *Log) settled(ctx context.Context, id string) (Run, error) {
	for {
		run, _, err := l.anyRun(ctx, driver.HeadRequest{Run: id})
		if err != nil || !run.staged() {
			return run, err
		}
		if err := l.clear(ctx, run); err != nil && !errors.Is(err, ErrConflict) {
			return Run{}, err
		}
	}
}

// Sweep removes the invisible remains of unfinished imports that have made no progress
// since before. It returns how many it removed, and leaves their space to [Log.Purge]. It
// makes an import that is still in progress fail, and that leaves nothing behind either.
func (l *Log) Sweep(ctx context.Context, before time.Time) (int, error) {
	swept, class := 0, uint8(classStaged)
	for h, err := range l.heads(ctx, driver.HeadsRequest{Newest: true, Class: &class, Limit: pageHeaders}) {
		if err != nil {
			return swept, err
		}
		run, err := parseHead(&h)
		if err != nil || !run.staged() || run.row.Staged.After(before) {
			continue
		}
		if err := l.acquire(ctx); err != nil {
			return swept, err
		}
		err = l.clear(ctx, run)
		l.release()
		if err == nil {
			swept++
		} else if !errors.Is(err, ErrConflict) && !errors.Is(err, ErrNotFound) {
			return swept, err
		}
	}
	return swept, nil
}
