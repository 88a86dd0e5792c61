package log

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/flowlog/checkpoint/driver"
)

// noteKindRedact is the kind of the notes that say which states were dropped for
// good.
const noteKindRedact = "redact"

// Redact drops the states of events, by seq, as [Log.Prune] does, and leaves no copy
// of them in the storage: not in free space, in a log or in a segment that was
// replaced, and not in what is stored of other events. Events whose states were
// pruned before can be redacted, too: their bytes may still lie in free space. The
// headers remain, the run verifies as before, and asking for such a state gives
// [ErrPruned], as a [PrunedError] that says that it was redacted, when and why, its
// size and its hash. The reason must not be empty. An event that was redacted before
// keeps its first reason and time.
//
// A state that was stored as a delta on a redacted one is stored anew, byte for byte
// the same. What is redacted is the state of an event, not a value: an event next to
// it, a fork, another run or an export that has the same secret in its own state
// keeps it.
//
// It returns how many of the events it named there are: all of them have been
// redacted when the error is nil, and then nothing is left. Each slice of them is dropped
// in one change with the note that says so. After [ErrNotErased], or a crash, the same
// call finishes the work; readers don't find the states that the error does not speak of.
//
// The storage's files are made anew for it, which takes the longer the larger they
// are, whatever is redacted: name all events in one call. How long writers wait
// meanwhile, and how long it waits for readers, the driver says; see [Eraser].
//
// Errors: ErrNotFound if there is no such run or event, and then nothing was done;
// ErrInvalid without a reason; [errors.ErrUnsupported] if the driver is no [Eraser];
// ErrNotErased, with its cause, such as ErrLocked; else as [Log.Append].
func (l *Log) Redact(ctx context.Context, id string, seqs []uint64, reason string) (int, error) {
	return l.RedactOf(ctx, Run{ID: id}, seqs, reason)
}

// RedactOf is [Log.Redact] for a run as [Log.Run] returned it: it fails with ErrConflict if
// the run was deleted since, and its id used again.
func (l *Log) RedactOf(ctx context.Context, of Run, seqs []uint64, reason string) (int, error) {
	id := of.ID
	if err := checkID("reason", reason); err != nil {
		return 0, err
	}
	run, err := l.lookOf(ctx, of)
	if err == nil {
		err = l.writable(ctx)
	}
	if err != nil {
		return 0, err
	}
	if seqs = sorted(seqs); len(seqs) == 0 {
		return 0, nil
	}
	for _, seq := range []uint64{seqs[0], seqs[len(seqs)-1]} {
		if seq == 0 || seq > run.Last {
			return 0, notFound(id, seq, fmt.Sprintf("there is no event %d to redact; the run has events %d to %d; nothing was done", seq, run.first(), run.Last))
		}
	}
	// Of what was dropped with its header nothing is left to note.
	seqs = slices.DeleteFunc(seqs, func(s uint64) bool { return s <= run.Anchor })
	e, ok := l.backend.(driver.Eraser)
	if !ok {
		return 0, fmt.Errorf("%sredact: %w: the driver can't erase copies of what it stored; Prune drops states", place(id, 0), errors.ErrUnsupported)
	}
	d := &dropper{l: l, run: run, kind: noteKindRedact, why: reason}
	if _, err := d.drop(ctx, seqs); err != nil {
		return 0, fmt.Errorf("%w: some of the %d states may still be there: %w", ErrNotErased, len(seqs), err)
	}
	if err := e.Erase(ctx); err != nil {
		return 0, fmt.Errorf("%sredact: %w: no reader finds the %d states any more, but copies may be in the storage's files: %w", place(id, 0), ErrNotErased, len(seqs), err)
	}
	return len(seqs), nil
}
