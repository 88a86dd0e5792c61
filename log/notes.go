package log

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/flowlog/checkpoint/driver"
)

// Note is a later statement about a run or some of its events. Notes are numbered,
// linked by their own hash chain, and never changed. Deleting the run removes them. A
// note is written in the same change as the thing it describes.
type Note struct {
	// Number is the note's place: 1, 2, 3 …
	Number uint64 `json:"-"`
	// Kind says what the note is: "prune", "redact", "label", …
	Kind string `json:"kind"`
	// At is when the note was made. Writer is the word of the Log that made it.
	At     time.Time `json:"at"`
	Writer string    `json:"writer,omitempty"`
	// Events lists the seqs that the note is about, as inclusive ranges in ascending
	// order. If it is empty, the note is about the run as a whole.
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

// spaceNote is the space of the entries that hold notes: 'n' and the number, 8 bytes,
// big-endian.
const spaceNote = 'n'

func noteKey(number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceNote}, number)
}

// note adds a note to the run's head, and returns the entry that goes with it. Number, At
// and Writer are filled in.
func (r *Run) note(l *Log, n *Note) (driver.Entry, error) {
	n.Number, n.Writer = r.row.Notes.Count+1, l.word
	if n.At.IsZero() {
		n.At = l.Now()
	}
	n.At = n.At.Round(0).UTC()
	value, err := json.Marshal(n)
	if err != nil {
		return driver.Entry{}, &Error{Run: r.ID, Reason: fmt.Sprintf("note of kind %q can't be written as JSON: %v", n.Kind, err), Err: ErrInvalid}
	}
	if len(value) > driver.MaxEntry {
		return driver.Entry{}, &Error{Run: r.ID, Reason: fmt.Sprintf("note of kind %q takes %d bytes; at most %d are allowed", n.Kind, len(value), driver.MaxEntry), Err: ErrTooLarge}
	}
	r.addNote(value)
	return driver.Entry{Key: noteKey(n.Number), Value: value}, nil
}

// addNote advances the run's summary by a note.
func (r *Run) addNote(value []byte) {
	number := r.row.Notes.Count + 1
	r.row.Notes = noted{number, noteHash(number, r.row.Notes.Hash, r.Life, value)}
	r.Notes = number
}

// AddNote adds a note to a run, as durably as an event. The note's Number and Writer, and
// At if it is zero, are filled in.
//
// Errors: ErrNotFound if there is no such run; ErrInvalid for one of flowlog's own kinds;
// and those of [Log.Append].
func (l *Log) AddNote(ctx context.Context, id string, n Note) error {
	if err := checkID("kind of the note", n.Kind); err != nil {
		return err
	}
	switch n.Kind {
	case noteKindPrune, noteKindRedact, noteKindAnchor, noteKindLabel, noteKindUnlabel, noteKindPin, noteKindUnpin:
		return fmt.Errorf("%w kind %q of the note: flowlog makes such notes itself", ErrInvalid, n.Kind)
	}
	if err := checkID("run id", id); err != nil {
		return err
	}
	return l.changeHead(ctx, id, func(run *Run, c *driver.Change) error {
		e, err := run.note(l, &n)
		c.Put = append(c.Put, e)
		return err
	})
}

// changeHead changes a run's head, and everything that belongs to the change, in one
// step. It calls change with the current run, and again whenever another writer was
// faster. change must not keep its arguments.
func (l *Log) changeHead(ctx context.Context, id string, change func(*Run, *driver.Change) error) error {
	if err := l.acquire(ctx); err != nil {
		return err
	}
	defer l.release()
	for {
		run, err := l.run(ctx, id)
		if err == nil {
			err = run.headErr
		}
		if err != nil {
			return err
		}
		c := driver.Change{Run: id, Revision: run.revision}
		if err := change(&run, &c); err != nil {
			return err
		}
		if c.Head, err = run.head(); err != nil {
			return err
		}
		_, err = l.applyOne(ctx, c)
		l.live.doubt(id)
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// Notes streams the notes of a run, oldest first. It checks each against the hash
// chain, and the last one against the head: an error says where the chain is broken,
// and ends the iteration. For a run without notes, or one that doesn't exist, it
// yields nothing.
func (l *Log) Notes(ctx context.Context, id string) iter.Seq2[Note, error] {
	return func(yield func(Note, error) bool) {
		run, err := l.look(ctx, id)
		if errors.Is(err, ErrNotFound) {
			return
		}
		if err != nil {
			yield(Note{}, err)
			return
		}
		for _, n := range l.notes(ctx, run) {
			if !yield(n.Note, n.err) || n.err != nil {
				return
			}
		}
	}
}

// storedNote is a note as read: its bytes, or the error that makes it unreadable.
type storedNote struct {
	Note
	value []byte
	hash  Digest // the chain up to it
	err   error
}

// notes streams a run's notes, by number. Each comes with its error, such as a chain
// that does not lead to it, and the iteration continues.
func (l *Log) notes(ctx context.Context, run Run) iter.Seq2[uint64, storedNote] {
	return func(yield func(uint64, storedNote) bool) {
		next, hash := uint64(1), Digest{}
		req := driver.EntriesRequest{Run: run.ID, EntryRange: driver.EntryRange{From: noteKey(1), To: noteKey(math.MaxUint64)}, Limit: pageHeaders, MaxBytes: pageBytes}
		for next <= run.row.Notes.Count {
			err := l.readable(ctx)
			var page []driver.Entry
			if err == nil {
				req.From = noteKey(next)
				page, err = l.entries(ctx, req)
			}
			if err != nil {
				yield(next, storedNote{err: fmt.Errorf("%sread notes: %w", place(run.ID, 0), err)})
				return
			}
			before := next
			for _, e := range page {
				if string(e.Key) != string(noteKey(next)) || next > run.row.Notes.Count {
					break
				}
				n := readNote(run.ID, next, e.Value)
				hash = noteHash(next, hash, run.Life, e.Value)
				n.value, n.hash = e.Value, hash
				if n.err == nil && next == run.row.Notes.Count && hash != run.row.Notes.Hash {
					n.err = &Error{Run: run.ID, Reason: fmt.Sprintf("the hash chain of its %d notes does not lead to the head: one of them was changed", next), Want: run.row.Notes.Hash.String(), Have: hash.String(), Err: ErrCorrupt}
				}
				if !yield(next, n) {
					return
				}
				next++
			}
			if next == before { // it is missing
				if err := l.gone(ctx, run); err != nil {
					yield(next, storedNote{err: err})
					return
				}
				if !yield(next, storedNote{err: corrupt(run.ID, 0, fmt.Sprintf("note %d is missing", next))}) {
					return
				}
				next++
			}
		}
	}
}

func readNote(run string, number uint64, value []byte) storedNote {
	var n storedNote
	if err := json.Unmarshal(value, &n.Note); err != nil {
		n.err = corrupt(run, 0, fmt.Sprintf("note %d: %v", number, err))
	}
	n.Number = number
	return n
}

// noteAt returns one note and keeps it. It returns nil if the note can't be read: Verify
// says why.
func (r *reader) noteAt(ctx context.Context, number uint64) (*Note, error) {
	if n, ok := r.notes[number]; ok {
		return n, nil
	}
	value, err := r.entry(ctx, noteKey(number))
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return nil, err
	}
	var note *Note
	if value != nil && err == nil {
		if n := readNote(r.run.ID, number, value); n.err == nil {
			note = &n.Note
		}
	}
	if r.notes == nil || len(r.notes) >= maxNotesKept {
		r.notes = map[uint64]*Note{}
	}
	r.notes[number] = note
	return note, nil
}

// maxNotesKept bounds the notes that a reader keeps.
const maxNotesKept = 1024
