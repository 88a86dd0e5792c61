package log

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sort"
	"time"
)

// drop is what notes say of consecutive events whose states were dropped.
type drop struct {
	Range
	policy   string
	at       time.Time
	redacted bool
}

// drops are what notes say of a run's dropped states, ascending, none over another.
type drops []drop

// dropsOf puts together what notes, oldest first, say of each event. A redaction goes
// before all else, and the first one stands. Of prunes, a later one finished what this
// one began.
func dropsOf(notes []Note) drops {
	var all drops
	for i := range notes {
		if notes[i].Kind == noteKindRedact {
			all.add(&notes[i])
		}
	}
	for i := range slices.Backward(notes) {
		if notes[i].Kind == noteKindPrune {
			all.add(&notes[i])
		}
	}
	return all
}

// add adds what a note says of events of which nothing is known yet.
func (all *drops) add(n *Note) {
	var data pruneData
	json.Unmarshal(n.Data, &data) // without a policy it is still pruned
	d := drop{policy: data.Policy, at: n.At, redacted: n.Kind == noteKindRedact}
	for _, r := range n.Events {
		i := all.search(r.First)
		for r.First <= r.Last {
			if i == len(*all) || (*all)[i].First > r.First {
				d.Range = r
				if i < len(*all) {
					d.Last = min(r.Last, (*all)[i].First-1)
				}
				*all = slices.Insert(*all, i, d)
			}
			if (*all)[i].Last >= r.Last { // also if nothing can come after
				break
			}
			r.First = (*all)[i].Last + 1
			i++
		}
	}
}

// search returns the place of the first that does not end before seq.
func (all drops) search(seq uint64) int {
	return sort.Search(len(all), func(i int) bool { return all[i].Last >= seq })
}

// of returns what dropped the state of an event, if a note says so.
func (all drops) of(seq uint64) (drop, bool) {
	if i := all.search(seq); i < len(all) && all[i].First <= seq {
		return all[i], true
	}
	return drop{}, false
}

// droppedNotes returns the notes that say which states, or events, were dropped.
func (l *Log) droppedNotes(ctx context.Context, run Run) ([]Note, error) {
	var notes []Note
	err := l.notes(ctx, run, ofDrops(&notes))
	return notes, err
}

// ofDrops returns what collects such notes.
func ofDrops(notes *[]Note) func(Note) bool {
	return func(n Note) bool {
		if n.dropped() || n.Kind == noteKindAnchor {
			*notes = append(*notes, n)
		}
		return true
	}
}

// explain says of an event whose state was dropped what dropped it. The run's notes are
// read with the first such event, and again only if there are more of them and an
// event that none spoke of. What is damaged of them is left out: Verify tells of it.
func (r *reader) explain(ctx context.Context, ev *Event) error {
	if !ev.Pruned {
		return nil
	}
	ev.PrunedBy = &PrunedError{Run: r.run.ID, Seq: ev.Seq, Size: ev.Size, SHA256: ev.SHA256}
	d, noted := r.drops.of(ev.Seq)
	if !noted {
		if err := r.readDrops(ctx); err != nil && !unreadable(err) {
			return err
		}
		d, _ = r.drops.of(ev.Seq)
	}
	ev.PrunedBy.Policy, ev.PrunedBy.At, ev.PrunedBy.Redacted = d.policy, d.at, d.redacted
	return nil
}

// readDrops reads the notes, if some came since the last time, but for those that can't
// be read.
func (r *reader) readDrops(ctx context.Context) error {
	companion, err := r.l.companion(ctx, r.run)
	if errors.Is(err, ErrNotFound) || err == nil && companion.Last == r.noted {
		return nil
	}
	if err != nil {
		return err
	}
	r.noted = companion.Last // also if they can't be read: once is enough
	var notes []Note
	for next := companion.first(); next <= companion.Last; {
		if next, err = r.l.notesFrom(ctx, r.run, companion, next, ofDrops(&notes)); err == nil {
			break
		}
		if !unreadable(err) {
			return err
		}
		next++
	}
	r.drops = dropsOf(notes)
	return nil
}

// unreadable reports whether something is damaged, or of a later version.
func unreadable(err error) bool {
	return errors.Is(err, ErrCorrupt) || errors.Is(err, ErrUnsupportedVersion)
}

// pruned returns the error for a state that was dropped.
func (l *Log) pruned(ctx context.Context, run Run, seq uint64) error {
	r := l.reader(run)
	recs, err := r.records(ctx, RecordsRequest{From: seq, To: seq, HeadersOnly: true, Limit: 1})
	if err != nil {
		return err
	}
	ev, err := r.header(&recs[0])
	if err == nil {
		err = r.explain(ctx, &ev)
	}
	if err != nil {
		return err
	}
	return ev.PrunedBy
}
