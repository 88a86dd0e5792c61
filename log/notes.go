package log

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Note is what is said about a run or some of its events after the fact. Notes
// are events of the run's companion log: appended, hash-chained, never changed,
// and deleted with the run.
type Note struct {
	// Kind says what the note is: "prune", "redact", "label", …
	Kind string `json:"-"`
	// At is when it was made.
	At time.Time `json:"-"`
	// Life is the incarnation of the run that it speaks of. AddNote fills it in.
	Life string `json:"life"`
	// Events are the seqs that it speaks of, as ranges with both ends included,
	// in ascending order; none means the run as a whole.
	Events []Range `json:"events,omitempty"`
	// Data is the rest, a JSON value, as the kind has it.
	Data json.RawMessage `json:"data,omitempty"`
}

// Range is the events First to Last, both included.
type Range struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

// Covers reports whether the note speaks of an event by its seq.
func (n *Note) Covers(seq uint64) bool {
	for _, r := range n.Events {
		if r.First <= seq && seq <= r.Last {
			return true
		}
	}
	return false
}

// dropped reports whether the note says that states were dropped.
func (n *Note) dropped() bool { return n.Kind == noteKindPrune || n.Kind == noteKindRedact }

// ranges joins ascending seqs to ranges.
func ranges(seqs []uint64) []Range {
	var out []Range
	for _, s := range seqs {
		if n := len(out); n > 0 && out[n-1].Last+1 == s {
			out[n-1].Last = s
		} else {
			out = append(out, Range{s, s})
		}
	}
	return out
}

// AddNote appends a note to a run's companion log, as durably as an event. The
// note's At, if zero, and Life are filled in.
//
// Errors: ErrNotFound if there is no such run, and as [Log.Append].
func (l *Log) AddNote(ctx context.Context, id string, n Note) error {
	run, err := l.look(ctx, id)
	if err != nil {
		return err
	}
	return l.addNote(ctx, run, n)
}

// addNote is AddNote for one life of a run.
func (l *Log) addNote(ctx context.Context, run Run, n Note) error {
	id := run.ID
	n.Life = run.Life
	state, err := json.Marshal(n)
	if err != nil {
		return &Error{Run: id, Reason: fmt.Sprintf("note of kind %q can't be written as JSON: %v", n.Kind, err), Err: ErrInvalid}
	}
	_, err = l.append(ctx, Append{
		Header: Header{RunID: id + noteSuffix, NodeID: n.Kind, CreatedAt: n.At, Kind: JSON},
		State:  state,
	})
	if err != nil {
		return err
	}
	gone := l.gone(ctx, run)
	if gone == nil {
		return nil
	}
	// The run was deleted meanwhile, and its notes with it, but for this. If there is a
	// new life of it, the log is that one's, where nobody reads this note.
	if _, err := l.run(ctx, id); errors.Is(err, ErrNotFound) {
		return errors.Join(gone, l.drop(ctx, id+noteSuffix))
	}
	return gone
}

// Notes streams the notes of a run as it lives now, oldest first. A run without
// notes has none, and so does one that doesn't exist.
func (l *Log) Notes(ctx context.Context, id string) iter.Seq2[Note, error] {
	return func(yield func(Note, error) bool) {
		run, err := l.look(ctx, id)
		if err == nil {
			err = l.notes(ctx, run, func(n Note) bool { return yield(n, nil) })
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			yield(Note{}, err)
		}
	}
}

// notes calls f with each note until it returns false.
func (l *Log) notes(ctx context.Context, run Run, f func(Note) bool) error {
	companion, err := l.companion(ctx, run)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err == nil {
		_, err = l.notesFrom(ctx, run, companion, companion.first(), f)
	}
	return err
}

// companion returns the log of a run's notes; ErrNotFound if there is none.
func (l *Log) companion(ctx context.Context, run Run) (Run, error) {
	if run.staged() { // and its notes with it
		return l.anyRun(ctx, run.ID+noteSuffix)
	}
	return l.run(ctx, run.ID+noteSuffix)
}

// notesFrom is notes from one on, by its seq. It returns that of the next, which with an
// error is the one that can't be read.
func (l *Log) notesFrom(ctx context.Context, run, companion Run, next uint64, f func(Note) bool) (uint64, error) {
	for ev, err := range l.history(ctx, companion, HistoryOptions{From: next}) {
		if err != nil {
			return next, err
		}
		var n Note
		if err := json.Unmarshal(ev.State, &n); err != nil {
			return next, corrupt(companion.ID, ev.Seq, fmt.Sprintf("note: %v", err))
		}
		next = ev.Seq + 1
		n.Kind, n.At = ev.NodeID, ev.CreatedAt
		// Notes of an earlier life that a crash left behind speak of events
		// that are gone.
		if n.Life == run.Life && !f(n) {
			break
		}
	}
	return next, nil
}
