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

// PruneIf is [Log.Prune] for what was chosen earlier: it stops as soon as a label or a pin
// that came since speaks against it. Nobody's label or pin is overlooked, of whatever
// process: it changes the run's head, so one that came after May was asked makes the
// transaction meet a conflict, and May is asked again. It returns how many states were
// dropped, and leaves erasing them to [Log.Purge].
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
	marked uint64 // the number of the newest note that was in them
	marks  Marks
}

// ask asks for a run whose head was just read. If a mark comes later, the head gets
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

// DropIf deletes a run that was chosen earlier, with its notes, unless events came to it
// since, or may, which is given its labels and pins as they are then, returns an error. It
// leaves erasing to [Log.Purge].
//
// Nothing that is acknowledged is lost by it: it is one change, which no event and no note
// can have preceded unseen. What comes later begins a new life of the run.
//
// Errors: that of may; ErrConflict if the run is in another life than the one given, or its
// last event is not last; ErrNotFound if it is gone; and as [Log.Append].
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
