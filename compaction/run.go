package compaction

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/flowlog/checkpoint/log"
)

// RunOptions say how a plan is run. The zero value is good.
type RunOptions struct {
	// Reclaim gives the disk space back in the end, as Compact does. Without it the
	// space is left for use again.
	Reclaim bool
	// Progress, if not nil, is called now and then, from the goroutine that called Run.
	// It must not use the log: writers may be waiting for it.
	Progress func(Progress)
}

// Result is what running a plan did.
type Result struct {
	// Runs is how many runs lost states, Dropped how many went as a whole. Events is how
	// many events lost their states or went with their run, those pruned before not
	// counted. They mean what they do in Total, and are the same if no run is skipped.
	Runs    int
	Dropped int
	Events  uint64
	// Skipped are the runs for which the plan was not followed, or not to its end, and
	// why: with ErrConflict because something came since that speaks against it,
	// ErrNotFound because they are gone, ErrCorrupt because of damage.
	Skipped []Skipped
	// Before and After are what the storage took on disk, in bytes; 0 where it takes
	// none. Reclaimed is by how much it became smaller in the last step.
	Before, After, Reclaimed int64
}

// Run does what the plan says, and nothing else.
//
// Events that were appended since the plan was made change nothing for the others. A run
// is skipped, and that is reported, if it was deleted since; if one of the events that
// are to lose their states, or the run, was pinned, or given a label that one of the
// plan's policies keeps; and if the run is to go as a whole and has got an event. A pin
// or label that comes while the run is at hand stops it there: what is pruned by then
// stays so. [log.Log.Pin] says what a pin is sure of.
//
// While another process compacts or prunes, it waits. It can be stopped by ctx at any
// time, and the plan run again: each step is durable and complete in itself. Reading and
// writing go on meanwhile. What is dropped is erased when the error is nil, as far as
// deleting erases.
//
// Errors: [log.ErrCorrupt] for a storage that is damaged itself, which is left as it is;
// that of writing.
func (p *Plan) Run(ctx context.Context, l *log.Log, opts RunOptions) (Result, error) {
	w := &worker{log: l, holder: rand.Text(), progress: opts.Progress}
	var res Result
	if err := w.wait(ctx); err != nil {
		return res, err
	}
	defer w.giveBack()
	var err error
	if res.Before, _, err = l.Space(ctx); err != nil {
		return res, err
	}
	res.After = res.Before
	w.say(Checking, 0, 0)
	if err := l.Check(ctx); err != nil {
		return res, fmt.Errorf("nothing was pruned: %w", err)
	}
	err = p.follow(ctx, w, &res, w.wait)
	if err == nil {
		err = w.purge(ctx)
	}
	if err == nil && opts.Reclaim {
		res.Reclaimed, err = w.reclaim(ctx)
	}
	w.giveBack()
	after, _, spaceErr := l.Space(context.WithoutCancel(ctx))
	res.After = after
	if err == nil {
		err = spaceErr
	}
	return res, err
}

// follow drops what the plan says, whole runs first. hold is called for each run, to have the lease.
func (p *Plan) follow(ctx context.Context, w *worker, res *Result, hold func(context.Context) error) error {
	var drop, prune []*PlannedRun
	for i := range p.Runs {
		switch r := &p.Runs[i]; {
		case r.Drop != "":
			drop = append(drop, r)
		case len(r.Prune) > 0:
			prune = append(prune, r)
		}
	}
	total := int64(p.Total().Events)
	var done int64
	for i, r := range slices.Concat(drop, prune) {
		if i == len(drop) && i > 0 { // what these took has room for what is made anew
			if err := w.purge(ctx); err != nil {
				return err
			}
		}
		w.say(Pruning, done, total)
		if err := hold(ctx); err != nil {
			return err
		}
		var err error
		if r.Drop != "" {
			err = p.drop(ctx, w, r, res)
		} else {
			err = p.prune(ctx, w, r, res, func(dropped int) { w.say(Pruning, done+int64(dropped), total) })
		}
		switch {
		case w.stuck != nil: // nothing that is wrong with the run
			return w.stuck
		case errors.Is(err, log.ErrConflict), errors.Is(err, log.ErrNotFound), damaged(err):
			res.Skipped = append(res.Skipped, Skipped{r.Run, err})
		case err != nil:
			return err
		}
		done += int64(r.Events)
		if w.pace != nil {
			w.pace()
		}
	}
	w.say(Pruning, total, total)
	// What a crash has left of a run that was being dropped goes as well.
	_, err := w.log.Sweep(ctx, time.Now().Add(-abandoned))
	return err
}

// drop drops a run as a whole.
func (p *Plan) drop(ctx context.Context, w *worker, r *PlannedRun, res *Result) error {
	if err := w.log.DropIf(ctx, r.Run, r.Life, r.Last, p.may(r, nil)); err != nil {
		return err
	}
	res.Dropped++
	res.Events += r.Events
	return nil
}

// prune drops the states that the plan names of one run.
func (p *Plan) prune(ctx context.Context, w *worker, r *PlannedRun, res *Result, progress func(dropped int)) error {
	var seqs []uint64
	for _, part := range r.Prune {
		for seq := part.First; seq <= min(part.Last, r.Last); seq++ {
			seqs = append(seqs, seq)
		}
	}
	n, err := w.log.PruneIf(ctx, r.Run, seqs, log.PruneOptions{
		Life: r.Life, Policy: names(of(r.Graph, p.Policies)), May: p.may(r, r.Prune), Pace: w.pace,
		Step: func(dropped int, dead int64) error {
			w.lease(ctx) // if it is lost, two do the same work, and one of them in vain
			progress(dropped)
			return w.replaced(ctx, dead)
		},
	})
	res.Events += uint64(n)
	if n > 0 {
		res.Runs++
	}
	return err
}

// may returns what says whether marks allow to drop events of a run, nil for all.
func (p *Plan) may(r *PlannedRun, events []log.Range) func(log.Marks) error {
	policies := of(r.Graph, p.Policies)
	return func(m log.Marks) error {
		seq, why := protected(m, policies, events)
		if why == "" {
			return nil
		}
		return &log.Error{Run: r.Run, Seq: seq, Reason: "it was to be dropped, and since the plan was made somebody has protected it: " + why + "; make a new plan", Err: log.ErrConflict}
	}
}
