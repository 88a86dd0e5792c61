package log

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/flowlog/checkpoint/driver"
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
	// Labels were added later. They override those that were saved with the event.
	Labels map[string]string `json:"labels,omitempty"`
	// Unlabelled are the keys of labels that were taken away later, also if they were
	// saved with the event.
	Unlabelled map[string]bool `json:"unlabelled,omitempty"`
}

// On returns the labels in effect: saved, which holds the labels in an event's metadata
// and is not changed, overridden by later ones.
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
	if !marking(n.Kind) {
		return nil
	}
	if len(n.Events) == 0 {
		return m.Run.take(n)
	}
	for _, r := range n.Events {
		for seq := max(r.First, run.first()); seq <= min(r.Last, run.Last); seq++ {
			e := m.Events[seq]
			if err := e.take(n); err != nil {
				return err
			}
			if m.Events == nil {
				m.Events = map[uint64]Mark{}
			}
			m.Events[seq] = e
		}
	}
	return nil
}

// marking reports whether a note of this kind changes labels or pins.
func marking(kind string) bool {
	switch kind {
	case noteKindLabel, noteKindUnlabel, noteKindPin, noteKindUnpin:
		return true
	}
	return false
}

func (m *Mark) take(n *Note) error {
	var d labelData
	if n.Kind == noteKindLabel || n.Kind == noteKindUnlabel {
		if err := json.Unmarshal(n.Data, &d); err != nil {
			return err
		}
	}
	switch n.Kind {
	case noteKindPin, noteKindUnpin:
		m.Pinned = n.Kind == noteKindPin
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
	return nil
}

// empty reports whether the mark says nothing.
func (m *Mark) empty() bool { return !m.Pinned && len(m.Labels) == 0 && len(m.Unlabelled) == 0 }

// spaceMark is the space of the entries that hold marks, folded: 'm' and the seq, 4 bytes,
// big-endian, 0 for the run. So reading them does not read the notes.
const spaceMark = 'm'

func markKey(seq uint64) []byte { return binary.BigEndian.AppendUint32([]byte{spaceMark}, uint32(seq)) }

// entry returns what is stored of a mark, in the place of stored, which may be nil.
func (m *Mark) entry(seq uint64, stored []byte) (driver.Entry, error) {
	value, err := marshalOver(stored, m)
	return driver.Entry{Key: markKey(seq), Value: value}, err
}

// Marks returns the labels and pins that a run and its events got after they were saved,
// in this life of the run. It reads the head and the marks, but no event and no note.
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
	req := driver.EntriesRequest{Run: run.ID, EntryRange: driver.EntryRange{From: markKey(0), To: []byte{spaceMark + 1}}, Limit: pageHeaders}
	for {
		page, err := l.entries(ctx, req)
		if err != nil {
			return Marks{}, fmt.Errorf("%sread marks: %w", place(run.ID, 0), err)
		}
		for _, e := range page {
			var mark Mark
			if err := json.Unmarshal(e.Value, &mark); err != nil || len(e.Key) != 5 {
				return Marks{}, corrupt(run.ID, 0, fmt.Sprintf("mark %x: %v", e.Key, err))
			}
			if seq := uint64(binary.BigEndian.Uint32(e.Key[1:])); seq == 0 {
				m.Run = mark
			} else if seq >= run.first() {
				if m.Events == nil {
					m.Events = map[uint64]Mark{}
				}
				m.Events[seq] = mark
			}
		}
		if len(page) < req.Limit {
			return m, l.gone(ctx, run)
		}
		req.From = append(bytes.Clone(page[len(page)-1].Key), 0)
	}
}

// Label adds a label to an event of a run, or with seq 0 to the run. It overrides a label
// of the same key, even one that was saved with the event; the event itself is not
// changed.
//
// Durability: as [Log.Append]. When it returns nil, no [Log.PruneIf] and no [Log.DropIf]
// continues without having seen the label.
//
// Errors: ErrNotFound if there is no such run or event; ErrInvalid and ErrTooLarge for a
// key or value that can't be stored; and those of [Log.Append].
func (l *Log) Label(ctx context.Context, id string, seq uint64, key, value string) error {
	return l.label(ctx, noteKindLabel, id, seq, labelData{key, value})
}

// Unlabel removes a label, even one that was saved with the event. If there is no such
// label, it changes nothing. Errors are those of [Log.Label].
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
	return l.mark(ctx, id, seq, Note{Kind: kind, Data: data})
}

// Pin keeps the state of an event, or with seq 0 a whole run, from every policy. What
// names events or runs itself, as [Log.Prune] and [Log.Delete], ignores pins.
//
// Durability: as [Log.Append]. When it returns nil, the state is there, and no
// [Log.PruneIf] that asks for pins, of any process, drops it from then on; nor does
// [Log.DropIf] the run. That holds while pruning is under way: pin and prune exclude each
// other, and what was pruned before is an error of Pin.
//
// Errors: ErrPruned, as a [PrunedError], if the event's state is gone; else those of
// [Log.Label].
func (l *Log) Pin(ctx context.Context, id string, seq uint64) error {
	return l.mark(ctx, id, seq, Note{Kind: noteKindPin})
}

// Unpin takes the pin of an event, or with seq 0 that of the run, away; where there is
// none it changes nothing. Errors are those of [Log.Label].
func (l *Log) Unpin(ctx context.Context, id string, seq uint64) error {
	return l.mark(ctx, id, seq, Note{Kind: noteKindUnpin})
}

// mark adds a note about an event, or with seq 0 about the run, and folds it into the
// mark, in one change.
func (l *Log) mark(ctx context.Context, id string, seq uint64, n Note) error {
	if err := checkID("run id", id); err != nil {
		return err
	}
	if seq > 0 {
		n.Events = []Range{{seq, seq}}
	}
	return l.changeHead(ctx, id, func(run *Run, c *driver.Change) error {
		r := l.reader(*run)
		defer r.close()
		if seq > 0 {
			rec, err := r.record(ctx, seq, true)
			if err == nil && rec.Encoding == driver.Pruned && n.Kind == noteKindPin {
				err = l.pruned(ctx, *run, seq)
			}
			if err != nil {
				return err
			}
		}
		value, err := r.entry(ctx, markKey(seq))
		if err != nil {
			return err
		}
		var m Mark
		if value != nil {
			if err := json.Unmarshal(value, &m); err != nil {
				return corrupt(id, seq, fmt.Sprintf("its mark: %v", err))
			}
		}
		note, err := run.note(l, &n)
		if err == nil {
			err = m.take(&n)
		}
		if err != nil {
			return err
		}
		run.row.Marked = run.row.Notes.Count
		c.Put = append(c.Put, note)
		e, err := m.entry(seq, value)
		if string(e.Value) == "{}" {
			c.Remove = append(c.Remove, oneEntry(e.Key))
		} else {
			c.Put = append(c.Put, e)
		}
		return err
	})
}
