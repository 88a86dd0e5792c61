package log

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/flowlog/checkpoint/driver"
)

// noteKindPrune is the kind of the notes that say which states were dropped.
const noteKindPrune = "prune"

// pruneSlice is how many states of a tail one transaction drops, at most; of a segment it
// drops all that are named.
const pruneSlice = 64

// Prune drops the states of events, by seq, and keeps their headers: they are listed as
// pruned, still verify, and asking for their state gives ErrPruned with policy and time.
// States stored as deltas on them are stored anew on what remains, byte for byte the
// same. Events that are already pruned or don't exist are skipped. It returns how many
// states were dropped; when the error is nil, the backend has erased them.
//
// The states go in slices, each in one change with the note that says so: after a crash the
// run is as if fewer had been named, and calling again finishes the work.
//
// Errors: ErrNotFound if there is no such run, and as [Log.Append].
func (l *Log) Prune(ctx context.Context, id string, seqs []uint64, policy string) (int, error) {
	return l.PruneOf(ctx, Run{ID: id}, seqs, policy)
}

// PruneOf is [Log.Prune] for a run as [Log.Run] returned it: it fails with ErrConflict if
// the run was deleted since, and its id used again.
func (l *Log) PruneOf(ctx context.Context, of Run, seqs []uint64, policy string) (int, error) {
	if err := checkOptionalID("reason", policy); err != nil {
		return 0, err
	}
	run, err := l.lookOf(ctx, of)
	if err != nil {
		return 0, err
	}
	seqs = sorted(seqs)
	seqs = slices.DeleteFunc(seqs, func(s uint64) bool { return s <= run.Anchor || s > run.Last })
	d := &dropper{l: l, run: run, kind: noteKindPrune, why: policy}
	dropped, err := d.drop(ctx, seqs)
	if err != nil {
		return dropped, err
	}
	// What was sealed is in a segment that is dead now, and perhaps also in a record
	// that was dead before.
	if err := l.purgeAll(ctx); err != nil {
		return dropped, fmt.Errorf("%sstates are pruned, but not all that they took is erased: %w", place(run.ID, 0), err)
	}
	return dropped, nil
}

// lookOf reads a run again, unless its head is damaged. Of a run without a life it takes
// the one that is there.
func (l *Log) lookOf(ctx context.Context, of Run) (Run, error) {
	run, err := l.look(ctx, of.ID)
	if err == nil {
		err = run.headErr
	}
	if err == nil && of.Life != "" {
		err = run.in(of.Life)
	}
	return run, err
}

// sorted returns seqs ascending, each once.
func sorted(seqs []uint64) []uint64 {
	seqs = slices.Clone(seqs)
	slices.Sort(seqs)
	return slices.Compact(seqs)
}

// dropper drops states of one life of a run.
type dropper struct {
	l    *Log
	run  Run
	kind string // of the notes
	why  string
	// guard is asked before each change; nil always allows.
	guard *guard
}

// step is the result of one change: how many states it dropped, how many seqs it
// finished, and how many bytes of a segment it left to erase.
type step struct {
	dropped, done int
	dead          int64
}

// drop drops the existing states of ascending seqs.
func (d *dropper) drop(ctx context.Context, seqs []uint64) (dropped int, err error) {
	r := d.l.reader(d.run)
	seqs, err = r.named(ctx, seqs, d.kind)
	r.close()
	if err != nil {
		return 0, err
	}
	for len(seqs) > 0 {
		s, err := d.some(ctx, seqs)
		if err != nil {
			return dropped, fmt.Errorf("%s%s: %w", place(d.run.ID, 0), d.kind, err)
		}
		dropped += s.dropped
		seqs = seqs[s.done:]
		if err := d.guard.stepped(dropped, s.dead); err != nil {
			return dropped, err
		}
	}
	return dropped, nil
}

// some drops the states of the first of ascending seqs, in one change: those in one
// segment, or a slice of those of the tail. It drops nothing if the run was changed
// meanwhile.
func (d *dropper) some(ctx context.Context, seqs []uint64) (s step, err error) {
	now, err := d.l.run(ctx, d.run.ID)
	if err != nil {
		return s, err
	}
	if now.Life != d.run.Life {
		return s, d.l.gone(ctx, d.run)
	}
	if err := d.guard.ask(ctx, now); err != nil {
		return s, err
	}
	if gone, _ := slices.BinarySearch(seqs, now.Anchor+1); gone > 0 {
		return step{done: gone}, nil
	}
	if seqs[0] < now.tail {
		s, err = d.ofSegment(ctx, now, seqs)
	} else {
		s.done = min(len(seqs), pruneSlice)
		s.dropped, err = d.ofTail(ctx, now, seqs[:s.done])
	}
	if errors.Is(err, ErrConflict) {
		return step{}, nil
	}
	return s, err
}

// note returns the note for dropped states, and adds it to the run.
func (d *dropper) note(run *Run, seqs []uint64) (driver.Entry, error) {
	n, err := dropNote(d.kind, seqs, d.why)
	if err != nil {
		return driver.Entry{}, err
	}
	return run.note(d.l, n)
}

// ofSegment rewrites the segment that holds the first of seqs, without their states.
func (d *dropper) ofSegment(ctx context.Context, run Run, seqs []uint64) (s step, err error) {
	l := d.l
	if err := l.writable(ctx); err != nil {
		return s, err
	}
	r := l.reader(run)
	defer r.close()
	if d.guard != nil {
		r.pace = d.guard.pace
	}
	seg, err := r.segment(ctx, seqs[0], false)
	if err != nil {
		return s, err
	}
	if seg == nil {
		if moved, err := r.refresh(ctx); err != nil || moved {
			return s, errors.Join(err, ErrConflict)
		}
		return s, corrupt(run.ID, seqs[0], "the event is missing")
	}
	done, found := slices.BinarySearch(seqs, seg.Last)
	if found {
		done++
	}
	plan := sealPlan{from: seg.First, to: seg.Last, retire: []driver.Segment{{ID: seg.ID, First: seg.First}}}
	size := seg.Size
	b, err := r.build(ctx, plan, &dropping{d: d, seqs: seqs[:done], note: run.row.Notes.Count + 1})
	if err != nil || len(b.dropped) == 0 {
		return step{done: done}, l.unlessMoved(ctx, run, err)
	}
	return step{len(b.dropped), done, size}, l.enforce(ctx, run, b)
}

// ofTail drops states of the tail.
func (d *dropper) ofTail(ctx context.Context, run Run, seqs []uint64) (int, error) {
	l := d.l
	if err := l.acquire(ctx); err != nil {
		return 0, err
	}
	defer l.release()
	now, err := l.run(ctx, run.ID)
	if err != nil {
		return 0, err
	}
	if now.revision != run.revision {
		return 0, ErrConflict
	}
	change, n, err := d.planTail(ctx, &now, seqs)
	if err != nil || n == 0 {
		return 0, err
	}
	l.live.unload(run.ID)
	_, err = l.applyOne(ctx, change)
	return n, err
}

// planTail makes the change that drops the states of seqs. It goes through the run from
// the first of them until no state can depend on them any more, and rewrites each state
// that does.
func (d *dropper) planTail(ctx context.Context, run *Run, seqs []uint64) (driver.Change, int, error) {
	change := driver.Change{Run: run.ID, Revision: run.revision, Last: run.Last}
	r := d.l.reader(*run)
	defer r.close()
	number := run.row.Notes.Count + 1
	var gone []uint64
	for rec, err := range r.scan(ctx, HistoryOptions{From: seqs[0], To: seqs[len(seqs)-1] + maxLinks, HeadersOnly: true}) {
		if err != nil {
			return change, 0, err
		}
		ev, err := r.header(rec)
		if err != nil {
			return change, 0, err
		}
		before := stored(rec)
		switch _, named := slices.BinarySearch(seqs, rec.Seq); {
		case named:
			if changes, err := r.changes(ctx, rec, d.kind); err != nil {
				return change, 0, err
			} else if !changes {
				continue
			}
			if !ev.Pruned {
				run.row.Pruned++
				run.row.PrunedBytes += ev.Size
			}
			rec.Encoding, rec.Base, rec.Links, rec.State = driver.Pruned, number, 0, nil
			gone = append(gone, rec.Seq)
		case ev.Pruned:
			continue
		case rec.Base != 0 && slices.Contains(seqs, rec.Base):
			// The scan read no states: few records lean on what is dropped.
			recs, err := r.records(ctx, driver.RecordsRequest{From: rec.Seq, To: rec.Seq, Limit: 1})
			if err != nil {
				return change, 0, err
			}
			rec = &recs[0]
			if err := r.rebase(ctx, rec, seqs); err != nil {
				return change, 0, err
			}
		default:
			continue
		}
		rec.StateLen = int64(len(rec.State))
		rec.Sum = recordSum(run.Life, &rec.Record)
		run.row.Freed += before - stored(rec)
		change.Rewrite = append(change.Rewrite, rec.Record)
	}
	if len(gone) == 0 {
		return change, 0, nil
	}
	return change, len(gone), d.finish(ctx, r, run, gone, &change)
}

// finish adds the rest of a drop of states of a tail: the note, the index, the head.
func (d *dropper) finish(ctx context.Context, r *reader, run *Run, gone []uint64, c *driver.Change) error {
	note, err := d.note(run, gone)
	if err != nil {
		return err
	}
	if c.Remove, c.Put, err = r.reindex(ctx, gone); err != nil {
		return err
	}
	c.Put = append(c.Put, note)
	run.row.Rewrites++
	c.Head, err = run.head()
	return err
}

// rebase stores a state anew on the nearest state of its chain that remains.
func (r *reader) rebase(ctx context.Context, rec *record, seqs []uint64) error {
	s, err := r.event(ctx, rec)
	if err != nil {
		return err
	}
	var base *snapshot
	for seq := rec.Base; seq != 0; {
		b, err := r.records(ctx, driver.RecordsRequest{From: seq, To: seq, Limit: 1})
		if err != nil {
			return err
		}
		if !slices.Contains(seqs, seq) && b[0].Encoding != driver.Pruned {
			if base, err = r.event(ctx, &b[0]); err != nil {
				return err
			}
			break
		}
		if seq = b[0].Base; b[0].Encoding == driver.Pruned {
			break
		}
	}
	*rec = r.restore(*rec, s, base)
	return nil
}
