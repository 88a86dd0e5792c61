package log

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// noteKindPrune is the kind of the notes that say which states were dropped.
const noteKindPrune = "prune"

// pruneSlice is how many states of a tail one transaction drops, at most; of a segment it
// drops all that are named.
const pruneSlice = 64

// pruneData is what a note of kind "prune" or "redact" has beside its events.
type pruneData struct {
	Policy string `json:"policy"`
}

// Prune drops the states of events, by seq, and keeps their headers: they are
// listed as pruned, still verify, and asking for their state gives ErrPruned with
// policy and time. States stored as deltas on them are stored anew on what
// remains, byte for byte the same. Events that are pruned already or don't exist
// are passed over. It returns how many states were dropped; when the error is nil,
// the backend has erased them.
//
// A note is made durable first, then the states go in slices: after a crash the
// run is as if fewer had been named, and calling again finishes the work.
//
// Errors: ErrNotFound if there is no such run, and as [Log.Append].
func (l *Log) Prune(ctx context.Context, id string, seqs []uint64, policy string) (int, error) {
	if err := checkOptionalID("reason", policy); err != nil {
		return 0, err
	}
	run, err := l.look(ctx, id)
	if err == nil {
		err = run.headErr
	}
	if err != nil {
		return 0, err
	}
	seqs = slices.Clone(seqs)
	slices.Sort(seqs)
	seqs = slices.Compact(seqs)
	seqs = slices.DeleteFunc(seqs, func(s uint64) bool { return s == 0 || s > run.Last })
	if seqs, err = l.unpruned(ctx, run, seqs); err != nil {
		return 0, err
	}
	if len(seqs) > 0 {
		if err := l.noteDropped(ctx, run, noteKindPrune, seqs, policy); err != nil {
			return 0, err
		}
	}
	dropped, err := l.pruneAll(ctx, run, seqs, nil)
	if err != nil {
		return dropped, err
	}
	// What was sealed is in a segment that is dead now, and perhaps also in a record
	// that was dead before.
	if err := l.purgeAll(ctx); err != nil {
		return dropped, fmt.Errorf("%sstates are pruned, but not all that they took is erased: %w", place(id, 0), err)
	}
	return dropped, nil
}

// noteDropped notes, before it is done, that states are dropped and why.
func (l *Log) noteDropped(ctx context.Context, run Run, kind string, seqs []uint64, why string) error {
	data, err := json.Marshal(pruneData{Policy: why})
	if err != nil {
		return err
	}
	return l.addNote(ctx, run, Note{Kind: kind, Events: ranges(seqs), Data: data})
}

// pruneAll drops states that are there and that a note speaks of, if g allows.
func (l *Log) pruneAll(ctx context.Context, run Run, seqs []uint64, g *guard) (dropped int, err error) {
	for len(seqs) > 0 {
		step, err := l.pruneSome(ctx, run, seqs, g)
		if err != nil {
			return dropped, fmt.Errorf("%sprune: %w", place(run.ID, 0), err)
		}
		dropped += step.dropped
		seqs = seqs[step.done:]
		if err := g.stepped(dropped, step.dead); err != nil {
			return dropped, err
		}
	}
	return dropped, nil
}

// unpruned returns those of ascending seqs whose states are there.
func (l *Log) unpruned(ctx context.Context, run Run, seqs []uint64) ([]uint64, error) {
	if len(seqs) == 0 {
		return nil, nil
	}
	var there []uint64
	for rec, err := range l.reader(run).scan(ctx, HistoryOptions{From: seqs[0], To: seqs[len(seqs)-1], HeadersOnly: true}) {
		if err != nil {
			return nil, err
		}
		if _, named := slices.BinarySearch(seqs, rec.Seq); named && rec.Encoding != Pruned {
			there = append(there, rec.Seq)
		}
	}
	return there, nil
}

// pruneStep is what one change did: how many states went, how many seqs it is done
// with, and how many bytes of a segment it left to be erased.
type pruneStep struct {
	dropped, done int
	dead          int64
}

// pruneSome drops the first of ascending seqs, in one change: those in one segment, or
// a slice of those of the tail. It is done with none if the run was changed meanwhile.
func (l *Log) pruneSome(ctx context.Context, run Run, seqs []uint64, g *guard) (step pruneStep, err error) {
	now, err := l.run(ctx, run.ID)
	if err != nil {
		return step, err
	}
	if now.Life != run.Life {
		return step, l.gone(ctx, run)
	}
	if err := g.ask(ctx, now); err != nil {
		return step, err
	}
	if gone, _ := slices.BinarySearch(seqs, now.Anchor+1); gone > 0 {
		return pruneStep{done: gone}, nil
	}
	if seqs[0] < now.tail {
		step, err = l.pruneSealed(ctx, now, seqs, g)
	} else {
		step.done = min(len(seqs), pruneSlice)
		step.dropped, err = l.pruneTail(ctx, now, seqs[:step.done])
	}
	if errors.Is(err, ErrConflict) {
		return pruneStep{}, nil
	}
	return step, err
}

// pruneSealed makes the segment that holds the first of seqs anew, without its
// states of them.
func (l *Log) pruneSealed(ctx context.Context, run Run, seqs []uint64, g *guard) (step pruneStep, err error) {
	if err := l.writable(ctx); err != nil {
		return step, err
	}
	r := l.reader(run)
	if g != nil {
		r.pace = g.pace
	}
	s, err := r.segment(ctx, seqs[0], false)
	if err != nil {
		return step, err
	}
	if s == nil {
		if moved, err := r.refresh(ctx); err != nil || moved {
			return step, errors.Join(err, ErrConflict)
		}
		return step, corrupt(run.ID, seqs[0], "the event is missing")
	}
	done, found := slices.BinarySearch(seqs, s.Last)
	if found {
		done++
	}
	b, err := r.build(ctx, sealPlan{from: s.First, to: s.Last, retire: []uint64{s.ID}}, seqs[:done])
	if err != nil || b.pruned == 0 {
		return pruneStep{done: done}, l.unlessMoved(ctx, run, err)
	}
	return pruneStep{int(b.pruned), done, s.Size}, l.enforce(ctx, run, b)
}

// pruneTail drops states of the tail.
func (l *Log) pruneTail(ctx context.Context, run Run, seqs []uint64) (int, error) {
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
	change, n, err := l.planPrune(ctx, &now, seqs)
	if err != nil || n == 0 {
		return 0, err
	}
	l.live.unload(run.ID)
	results, err := l.apply([]Change{change})
	if err != nil {
		return 0, err
	}
	return n, results[0].Err
}

// planPrune makes the change that drops the states of seqs: it goes through the
// run from the first of them on, to where nothing can lean on them any more, and stores
// anew whatever does.
func (l *Log) planPrune(ctx context.Context, run *Run, seqs []uint64) (Change, int, error) {
	change := Change{Run: run.ID, Revision: run.revision, Last: run.Last}
	r := l.reader(*run)
	dropped := 0
	for rec, err := range r.scan(ctx, HistoryOptions{From: seqs[0], To: seqs[len(seqs)-1] + maxLinks, HeadersOnly: true}) {
		if err != nil {
			return Change{}, 0, err
		}
		ev, err := r.header(rec)
		if err != nil {
			return Change{}, 0, err
		}
		before := stored(rec)
		switch _, prune := slices.BinarySearch(seqs, rec.Seq); {
		case ev.Pruned:
			continue
		case prune:
			rec.Encoding, rec.Base, rec.Links, rec.State = Pruned, 0, 0, nil
			run.row.Pruned++
			run.row.PrunedBytes += ev.Size
			dropped++
		case rec.Base != 0 && slices.Contains(seqs, rec.Base):
			// The scan read no states: few records lean on what is dropped.
			recs, err := r.records(ctx, RecordsRequest{From: rec.Seq, To: rec.Seq, Limit: 1})
			if err != nil {
				return Change{}, 0, err
			}
			rec = &recs[0]
			if err := r.rebase(ctx, rec, seqs); err != nil {
				return Change{}, 0, err
			}
		default:
			continue
		}
		rec.StateLen = int64(len(rec.State))
		rec.Sum = recordSum(run.Life, rec)
		run.row.Freed += before - stored(rec)
		change.Rewrite = append(change.Rewrite, *rec)
	}
	run.row.Rewrites++
	var err error
	change.Head, err = run.head()
	return change, dropped, err
}

// rebase stores a state anew on the nearest state of its chain that remains.
func (r *reader) rebase(ctx context.Context, rec *Record, seqs []uint64) error {
	s, err := r.event(ctx, rec)
	if err != nil {
		return err
	}
	var base *snapshot
	for seq := rec.Base; seq != 0; {
		b, err := r.records(ctx, RecordsRequest{From: seq, To: seq, Limit: 1})
		if err != nil {
			return err
		}
		if !slices.Contains(seqs, seq) && b[0].Encoding != Pruned {
			if base, err = r.event(ctx, &b[0]); err != nil {
				return err
			}
			break
		}
		seq = b[0].Base
	}
	*rec = r.restore(*rec, s, base)
	return nil
}
