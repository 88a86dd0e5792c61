package log

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// An import stores a run's segments one by one, under the run's own id and a head
// that says that the run is staged: it is not there for anybody. When all of it has
// been read back, one change of the head makes it a run. What a crash leaves behind
// is staged for good, until the run is imported again, saved to or deleted, or Sweep
// comes by.

// staging returns a run that is to be imported.
func staging(id string) Run {
	return Run{ID: id, tail: 1, recency: 1, row: row{Version: formatVersion, Rewrites: 1 + uint64(rand.Uint32())<<16}}
}

// clear removes a run that is staged, and its notes. The caller holds the writer's
// slot. ErrConflict says that it is no longer as it was looked at.
func (l *Log) clear(run Run) error {
	ctx := context.Background()
	// Who is importing it is stopped before its notes go: else it could finish without.
	if err := l.stage(&run, nil); err != nil {
		return err
	}
	return l.remove(ctx, run)
}

// remove removes a run that is staged, and its notes. The caller holds the writer's
// slot. ErrConflict says that it is no longer as it was looked at.
func (l *Log) remove(ctx context.Context, run Run) error {
	if err := l.clearNotes(ctx, run); err != nil {
		return err
	}
	l.live.forget(run.ID)
	return l.one(Change{Run: run.ID, Revision: run.revision, Drop: true})
}

// clearNotes removes the notes of a run that is staged: nobody can add any.
func (l *Log) clearNotes(ctx context.Context, run Run) error {
	id := run.ID + noteSuffix
	notes, err := l.backend.Head(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	// Others may have removed the run and begun a new life of it, with notes. While it is
	// still this one, what was found before is its own.
	now, err := l.backend.Head(ctx, run.ID)
	if err != nil {
		return err
	}
	if now.Revision != run.revision {
		return ErrConflict
	}
	l.live.forget(id)
	return l.one(Change{Run: id, Revision: notes.Revision, Drop: true})
}

// one applies one change. The caller holds the writer's slot.
func (l *Log) one(c Change) error {
	results, err := l.apply([]Change{c})
	if err != nil {
		return err
	}
	return results[0].Err
}

// stage writes the head of a run that is staged, and adds a segment if there is one.
// The caller holds the writer's slot.
func (l *Log) stage(run *Run, seg *Segment) error {
	change := Change{Run: run.ID, Revision: run.revision}
	if seg != nil {
		change.Add = []Segment{*seg}
	}
	return l.changeStaged(run, change, time.Now())
}

// hide makes a run staged that was there until now, if no event has come to it: an
// import that nobody goes on with, for anybody to remove. The caller holds the writer's
// slot.
func (l *Log) hide(run *Run) error {
	return l.changeStaged(run, Change{Run: run.ID, Revision: run.revision, Last: run.Last}, time.Unix(0, 0))
}

// changeStaged makes a change with a head that says that the run is staged.
func (l *Log) changeStaged(run *Run, change Change, at time.Time) error {
	run.row.Staged = at.UTC()
	var err error
	if change.Head, err = run.head(); err != nil {
		return err
	}
	results, err := l.apply([]Change{change})
	if err != nil {
		return err
	}
	if err := results[0].Err; err != nil {
		return err
	}
	run.revision = results[0].Revision
	return nil
}

// settled reads a run's head, and removes the run if it is staged. The caller holds
// the writer's slot.
func (l *Log) settled(ctx context.Context, id string) (Run, error) {
	for {
		run, err := l.anyRun(ctx, id)
		if err != nil || !run.staged() {
			return run, err
		}
		if err := l.clear(run); err != nil && !errors.Is(err, ErrConflict) {
			return Run{}, err
		}
	}
}

// Sweep removes what imports that did not finish have left behind, if they had come
// no further since before: half of a run that nobody sees. It returns how many it
// removed, and leaves the space to [Log.Purge]. An import that is still under way is
// made to fail, and leaves nothing behind either.
func (l *Log) Sweep(ctx context.Context, before time.Time) (int, error) {
	swept := 0
	for h, err := range l.heads(ctx, HeadsRequest{Limit: pageHeaders}) {
		if err != nil {
			return swept, err
		}
		run, err := parseHead(h)
		if err != nil || !run.staged() || run.row.Staged.After(before) {
			continue
		}
		if err := l.acquire(ctx); err != nil {
			return swept, err
		}
		err = l.clear(run)
		l.release()
		if err == nil {
			swept++
		} else if !errors.Is(err, ErrConflict) && !errors.Is(err, ErrNotFound) {
			return swept, err
		}
	}
	return swept, nil
}
