package log

import (
	"context"
	"errors"
	"fmt"

	"github.com/flowlog/checkpoint/driver"
)

// PruneOptions say how to prune what was chosen earlier.
type PruneOptions struct {
	// Life is the incarnation of the run that the seqs were chosen for.
	Life string
	// Policy is what ErrPruned will name as the reason.
	Policy string
	// May is asked before each transaction with the run's labels and pins as they are
	// then; its error stops the pruning and is returned. It must not change them.
	May func(Marks) error
	// Step, if not nil, is called after each transaction, with no lock held, with how
	// many states are dropped so far, and how many bytes this one left for Purge. Its
	// error stops the pruning and is returned.
	Step func(dropped int, dead int64) error
	// Pace, if not nil, is called after each transaction, and while a segment is made
	// anew after each state, with no lock held: it may sleep, for the sake of others.
	Pace func()
}

// PruneIf is [Log.Prune] for events that were chosen earlier: it stops as soon as a newer
// label or pin forbids it. It overlooks no label or pin of any process, because each
// changes the run's head. If one comes after May was asked, the transaction meets a
// conflict, and May is asked again. PruneIf returns how many states were dropped, and
// leaves erasing them to [Log.Purge].
//
// Errors: that of May; ErrConflict if the run is in another life; ErrNotFound if it is
// gone; and as [Log.Append].
func (l *Log) PruneIf(ctx context.Context, id string, seqs []uint64, opts PruneOptions) (int, error) {
	if err := checkOptionalID("policy", opts.Policy); err != nil {
		return 0, err
	}
	run, err := l.look(ctx, id)
	if err == nil {
		err = run.damage()
	}
	if err == nil {
		err = run.in(opts.Life)
	}
	d := &dropper{l: l, run: run, kind: noteKindPrune, why: opts.Policy, guard: &guard{l: l, may: opts.May, step: opts.Step, pace: opts.Pace}}
	if err == nil {
		err = d.guard.ask(ctx, run)
	}
	if err != nil {
		return 0, err
	}
	return d.drop(ctx, sorted(seqs))
}

// in returns an error if the run is in another life than the one given.
func (r *Run) in(life string) error {
	if r.Life == life {
		return nil
	}
	return &Error{Run: r.ID, Reason: "the run was deleted since, and its id used again", Err: ErrConflict}
}

// guard asks before each transaction whether it may be made. A nil one always allows.
type guard struct {
	l    *Log
	may  func(Marks) error
	step func(dropped int, dead int64) error
	pace func()

	read   bool   // whether marks were read
	marked uint64 // the number of the newest note in them
	marks  Marks
}

// ask asks May about a run whose head was just read. If a mark comes later, the head gets
// another revision.
func (g *guard) ask(ctx context.Context, run Run) error {
	if g == nil {
		return nil
	}
	if !g.read || run.row.Marked != g.marked {
		var err error
		if g.marks, err = g.l.marks(ctx, run); err != nil {
			return err
		}
		g.read, g.marked = true, run.row.Marked
	}
	return g.may(g.marks)
}

func (g *guard) stepped(dropped int, dead int64) (err error) {
	if g != nil && g.step != nil {
		err = g.step(dropped, dead)
	}
	if g != nil && g.pace != nil {
		g.pace()
	}
	return err
}

// DropIf deletes a run that was chosen earlier, with its notes, unless it got events
// since or may returns an error. may gets the run's labels and pins at that moment.
// DropIf leaves erasing to [Log.Purge].
//
// It loses no acknowledged event or note: it is one change, and no event or note can
// precede it unseen. A later event begins a new life of the run.
//
// Errors: that of may; ErrConflict if the run is in another life than the given one, or
// its last event is not last; ErrNotFound if the run is gone; and those of [Log.Append].
func (l *Log) DropIf(ctx context.Context, id, life string, last uint64, may func(Marks) error) error {
	if err := checkID("run id", id); err != nil {
		return err
	}
	if err := l.acquire(ctx); err != nil {
		return err
	}
	defer l.release()
	for {
		run, err := l.run(ctx, id)
		if err == nil {
			err = run.damage()
		}
		if err == nil {
			err = run.in(life)
		}
		if err != nil {
			return err
		}
		if run.Last != last {
			return &Error{Run: id, Reason: "events came to the run since", Want: fmt.Sprint("last seq ", last), Have: fmt.Sprint("last seq ", run.Last), Err: ErrConflict}
		}
		marks, err := l.marks(ctx, run)
		if err == nil {
			err = may(marks)
		}
		if err != nil {
			return err
		}
		_, err = l.applyOne(ctx, driver.Change{Run: id, Revision: run.revision, Last: run.Last, Drop: true})
		l.live.forget(id)
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
