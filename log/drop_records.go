package log

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/flowlog/checkpoint/driver"
)

// A record whose state was dropped holds the number of the note that says why. So one
// read finds the reason.

// pruneData is the data of a note of kind "prune" or "redact".
type pruneData struct {
	Policy string `json:"policy"`
}

// explain adds to an event whose state was dropped what dropped it. It leaves out what it
// can't read: Verify reports that.
func (r *reader) explain(ctx context.Context, rec *record, ev *Event) error {
	if !ev.Pruned {
		return nil
	}
	ev.PrunedBy = &PrunedError{Run: r.run.ID, Seq: ev.Seq, Size: ev.Size, SHA256: ev.SHA256}
	if rec == nil || rec.Encoding != driver.Pruned { // it was pruned since rec was read
		var err error
		if rec, err = r.record(ctx, ev.Seq, true); err != nil {
			return err
		}
	}
	n, err := r.noteAt(ctx, rec.note)
	if err != nil || n == nil || !drops(n, ev.Seq) {
		return err
	}
	var data pruneData
	json.Unmarshal(n.Data, &data) // without a policy it is still pruned
	ev.PrunedBy.Policy, ev.PrunedBy.At, ev.PrunedBy.Redacted = data.Policy, n.At, n.Kind == noteKindRedact
	return nil
}

// drops reports whether a note says that the state of an event was dropped.
func drops(n *Note, seq uint64) bool {
	return (n.Kind == noteKindPrune || n.Kind == noteKindRedact) && n.Covers(seq)
}

// errNotPruned says that a state was not dropped.
var errNotPruned = errors.New("the state is there")

// pruned returns the error for a state that was dropped.
func (l *Log) pruned(ctx context.Context, run Run, seq uint64) error {
	r := l.reader(run)
	defer r.close()
	rec, err := r.record(ctx, seq, true)
	if err != nil {
		return err
	}
	ev, err := r.header(rec)
	if err == nil && !ev.Pruned {
		return errNotPruned
	}
	if err == nil {
		err = r.explain(ctx, rec, &ev)
	}
	if err != nil {
		return err
	}
	return ev.PrunedBy
}

// dropNote makes the note that says which states are dropped and why.
func dropNote(kind string, seqs []uint64, why string) (*Note, error) {
	data, err := json.Marshal(pruneData{Policy: why})
	return &Note{Kind: kind, Events: ranges(seqs), Data: data}, err
}

// named returns those of the ascending seqs that a drop of this kind must change: the
// events that still have their states, or for a redaction are not redacted yet.
func (r *reader) named(ctx context.Context, seqs []uint64, kind string) ([]uint64, error) {
	if len(seqs) == 0 {
		return nil, nil
	}
	var left []uint64
	for rec, err := range r.scan(ctx, HistoryOptions{From: seqs[0], To: seqs[len(seqs)-1], HeadersOnly: true}) {
		if err != nil {
			return nil, err
		}
		if _, ok := slices.BinarySearch(seqs, rec.Seq); !ok {
			continue
		}
		if changes, err := r.changes(ctx, rec, kind); err != nil {
			return nil, err
		} else if changes {
			left = append(left, rec.Seq)
		}
	}
	return left, nil
}

// changes reports whether a drop of this kind changes an event.
func (r *reader) changes(ctx context.Context, rec *record, kind string) (bool, error) {
	if rec.Encoding != driver.Pruned {
		return true, nil
	}
	if kind != noteKindRedact {
		return false, nil
	}
	n, err := r.noteAt(ctx, rec.note)
	return n == nil || n.Kind != noteKindRedact || !n.Covers(rec.Seq), err
}
