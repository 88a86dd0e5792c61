package log

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
)

// The kinds of the notes that label and pin.
const (
	noteKindLabel   = "label"
	noteKindUnlabel = "unlabel"
	noteKindPin     = "pin"
	noteKindUnpin   = "unpin"
)

// labelData is what a note of kind label or unlabel holds.
type labelData struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
}

// Mark is what was said later of an event, or of a run as a whole.
type Mark struct {
	// Pinned: no policy drops it.
	Pinned bool `json:"pinned,omitempty"`
	// Labels were given later. They go before those that were saved with the event.
	Labels map[string]string `json:"labels,omitempty"`
	// Unlabelled are the keys of labels that were taken away later, also if they were
	// saved with the event.
	Unlabelled map[string]bool `json:"unlabelled,omitempty"`
}

// On returns the labels in effect: saved, which are those in an event's metadata and
// are left as they are, with what was said later.
func (m Mark) On(saved map[string]string) map[string]string {
	if len(m.Labels) == 0 && len(m.Unlabelled) == 0 {
		return saved
	}
	all := maps.Clone(saved)
	maps.DeleteFunc(all, func(k, _ string) bool { return m.Unlabelled[k] })
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, m.Labels)
	return all
}

// Marks are the labels and pins of a run and its events: of each the last word.
type Marks struct {
	Run    Mark            `json:"run,omitzero"`
	Events map[uint64]Mark `json:"events,omitempty"` // by seq
}

// take adds what a note says of a run, or of those of its events that are there.
func (m *Marks) take(n *Note, run *Run) error {
	var d labelData
	switch n.Kind {
	case noteKindLabel, noteKindUnlabel:
		if err := json.Unmarshal(n.Data, &d); err != nil {
			return err
		}
	case noteKindPin, noteKindUnpin:
	default:
		return nil
	}
	if len(n.Events) == 0 {
		m.Run.take(n.Kind, d)
	}
	for _, r := range n.Events {
		for seq := max(r.First, run.first()); seq <= min(r.Last, run.Last); seq++ {
			e := m.Events[seq]
			e.take(n.Kind, d)
			if m.Events == nil {
				m.Events = map[uint64]Mark{}
			}
			m.Events[seq] = e
		}
	}
	return nil
}

func (m *Mark) take(kind string, d labelData) {
	switch kind {
	case noteKindPin, noteKindUnpin:
		m.Pinned = kind == noteKindPin
	case noteKindLabel:
		if m.Labels == nil {
			m.Labels = map[string]string{}
		}
		m.Labels[d.Key] = d.Value
		delete(m.Unlabelled, d.Key)
	case noteKindUnlabel:
		if m.Unlabelled == nil {
			m.Unlabelled = map[string]bool{}
		}
		m.Unlabelled[d.Key] = true
		delete(m.Labels, d.Key)
	}
}

// Marks returns the labels and pins that were given to a run and its events after
// they were saved, in this life of the run. It costs one read of two heads, and of the
// run's notes if there are any; no event is read.
//
// Errors: ErrNotFound if there is no such run.
func (l *Log) Marks(ctx context.Context, id string) (Marks, error) {
	run, err := l.look(ctx, id)
	if err != nil {
		return Marks{}, err
	}
	return l.marks(ctx, run)
}

func (l *Log) marks(ctx context.Context, run Run) (Marks, error) {
	var m Marks
	var bad error
	err := l.notes(ctx, run, func(n Note) bool {
		if err := m.take(&n, &run); err != nil {
			bad = corrupt(run.ID+noteSuffix, 0, "note of kind "+n.Kind+": "+err.Error())
		}
		return bad == nil
	})
	return m, errors.Join(err, bad)
}

// Label gives a label to an event of a run, or with seq 0 to the run. A label of the
// same key that it has, also one that was saved with it, has this value from then on;
// the event itself is not changed.
//
// Durability: as [Log.Append]. When it returns nil, no [Log.PruneIf] and no
// [Log.DropIf] goes on without having seen the label.
//
// Errors: ErrNotFound if there is no such run or event; ErrInvalid and ErrTooLarge for
// a key or value that can't be stored; and as [Log.Append].
func (l *Log) Label(ctx context.Context, id string, seq uint64, key, value string) error {
	return l.label(ctx, noteKindLabel, id, seq, labelData{key, value})
}

// Unlabel takes a label away, also one that was saved with the event. Where there is
// none it changes nothing. Errors are those of [Log.Label].
func (l *Log) Unlabel(ctx context.Context, id string, seq uint64, key string) error {
	return l.label(ctx, noteKindUnlabel, id, seq, labelData{Key: key})
}

func (l *Log) label(ctx context.Context, kind, id string, seq uint64, d labelData) error {
	if err := checkID("label name", d.Key); err != nil {
		return err
	}
	if err := checkOptionalID("label value", d.Value); err != nil {
		return err
	}
	data, err := json.Marshal(d)
	if err != nil {
		return err
	}
	_, err = l.mark(ctx, id, seq, Note{Kind: kind, Data: data})
	return err
}

// Pin keeps the state of an event, or with seq 0 a whole run, from every policy. What
// names events or runs itself, as [Log.Prune] and [Log.Delete], does not ask.
//
// Durability: as [Log.Append]. When it returns nil, the state is there, and no
// [Log.PruneIf] that asks for pins, of any process, drops it from then on; nor does
// [Log.DropIf] the run. That holds while pruning is under way: what is to be pruned in
// the next transaction is not, and what was pruned before is an error of Pin.
//
// Errors: ErrPruned, as a [PrunedError], if the event's state is gone; else those of
// [Log.Label].
func (l *Log) Pin(ctx context.Context, id string, seq uint64) error {
	run, err := l.mark(ctx, id, seq, Note{Kind: noteKindPin})
	if err != nil || seq == 0 {
		return err
	}
	// Looked at after the run's head was touched: who prunes later sees the note.
	r := l.reader(run)
	rec, err := r.record(ctx, seq, true)
	if err == nil && rec.Encoding == Pruned { // just now
		if err = l.Unpin(ctx, id, seq); err == nil {
			err = l.pruned(ctx, run, seq)
		}
	}
	return err
}

// Unpin takes the pin of an event, or with seq 0 that of the run, away; where there is
// none it changes nothing. Errors are those of [Log.Label].
func (l *Log) Unpin(ctx context.Context, id string, seq uint64) error {
	_, err := l.mark(ctx, id, seq, Note{Kind: noteKindUnpin})
	return err
}

// mark adds a note on an event, or with seq 0 on the run, and returns the run.
func (l *Log) mark(ctx context.Context, id string, seq uint64, n Note) (Run, error) {
	run, err := l.look(ctx, id)
	if err == nil {
		err = run.headErr
	}
	if err != nil {
		return Run{}, err
	}
	if seq > 0 {
		rec, err := l.reader(run).record(ctx, seq, true)
		if err == nil && rec.Encoding == Pruned && n.Kind == noteKindPin {
			err = l.pruned(ctx, run, seq)
		}
		if err != nil {
			return Run{}, err
		}
		n.Events = []Range{{seq, seq}}
	}
	if err := l.addNote(ctx, run, n); err != nil {
		return Run{}, err
	}
	return l.touch(ctx, run)
}

// touch gives a run's head a new revision. A change that was planned before, on notes
// that may lack the newest, then meets a conflict.
func (l *Log) touch(ctx context.Context, run Run) (Run, error) {
	if err := l.acquire(ctx); err != nil {
		return Run{}, err
	}
	defer l.release()
	for {
		now, err := l.run(ctx, run.ID)
		if err == nil {
			err = now.headErr
		}
		if err != nil {
			return Run{}, err
		}
		if now.Life != run.Life {
			return Run{}, l.gone(ctx, run)
		}
		head, err := now.head()
		if err != nil {
			return Run{}, err
		}
		err = l.one(Change{Run: run.ID, Revision: now.revision, Head: head})
		if errors.Is(err, ErrConflict) {
			continue
		}
		l.live.doubt(run.ID)
		return now, err
	}
}
