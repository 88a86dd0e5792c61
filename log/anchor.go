package log

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// noteKindAnchor is the kind of the notes that say which events were dropped with
// their headers.
const noteKindAnchor = "anchor"

// Anchor is what is left of a run's oldest events once they were dropped with their
// headers: what the rest is verified from, and counted from.
type Anchor struct {
	// Seq is that of the last event that was dropped: so many were.
	Seq uint64 `json:"seq"`
	// Hash is its place in the run's hash chain, on which the next event follows.
	Hash Digest `json:"hash"`
	// Bytes is the size of all states that were dropped, now or before, as they were
	// given.
	Bytes int64 `json:"bytes"`
	// Began is when the run's first event was created.
	Began time.Time `json:"began"`
	// Visits counts the dropped events by node.
	Visits map[string]int `json:"visits,omitempty"`
	// Reason and At say why and when it was done.
	Reason string    `json:"reason"`
	At     time.Time `json:"at,omitzero"`
}

// TruncateFront drops a run's oldest events for good, with their headers: those before
// the seq first, which is then the oldest that is there. The newest has to stay. It
// returns what is left of them, the [Anchor]: a note of it is made durable first, and
// [Log.Verify] answers "intact from anchor N" from then on.
//
// Seqs, visits, hashes and headers of the rest stay what they were, and so do their
// states, byte for byte: what leaned on a dropped one is stored anew. An event whose
// Parent is below the anchor keeps saying so. What was dropped is [ErrDropped]
// where it is asked for by seq or visit, and streams begin after it. A lineage ends
// at an event whose parent was dropped.
//
// All of it goes in one transaction, so that after a crash it was done or not; calling
// again finishes the erasing. When the error is nil the backend has erased what was
// dropped, as [Log.Prune] does; [Log.Redact] leaves no copy. The up to 256 events from
// first on are sealed for it if they were not, with Options.AllPlain too.
//
// A run that was truncated can't be read by a flowlog that does not know anchors,
// which refuses it with ErrUnsupportedVersion; other runs in the storage can.
//
// Concurrency: readers under way go on; one that has begun and whose next event is
// dropped gets ErrDropped. Memory: what sealing a segment takes.
//
// Errors: ErrNotFound if there is no such run, or no event first; ErrInvalid without a
// reason; ErrCorrupt if what is to be dropped, or is first from then on, can't be read;
// else as [Log.Append].
func (l *Log) TruncateFront(ctx context.Context, id string, first uint64, reason string) (Anchor, error) {
	if err := checkID("reason", reason); err != nil {
		return Anchor{}, err
	}
	run, err := l.look(ctx, id)
	if err == nil {
		err = run.damage()
	}
	if err == nil {
		err = l.writable(ctx)
	}
	if err != nil {
		return Anchor{}, err
	}
	if first == 0 || first > run.Last {
		return Anchor{}, notFound(id, first, fmt.Sprintf("there is no event %d for the run to begin with; it has events %d to %d, and the newest has to stay", first, run.first(), run.Last))
	}
	for before := run; first > run.first(); {
		err := l.truncate(ctx, run, first, reason)
		if err != nil && !errors.Is(err, ErrConflict) {
			return Anchor{}, fmt.Errorf("%struncate: %w", place(id, 0), err)
		}
		if run, err = l.run(ctx, id); err == nil {
			err = run.damage()
		}
		if err == nil && run.Life != before.Life {
			err = l.gone(ctx, before)
		}
		if err != nil {
			return Anchor{}, err
		}
	}
	if err := l.purgeAll(ctx); err != nil {
		return Anchor{}, fmt.Errorf("%sthe events are dropped, but not all that they took is erased: %w", place(id, 0), err)
	}
	return l.anchor(ctx, run)
}

// Anchor returns what is left of a run's oldest events: the zero Anchor if they are
// all there.
//
// Errors: ErrNotFound if there is no such run; ErrCorrupt if the note is missing.
func (l *Log) Anchor(ctx context.Context, id string) (Anchor, error) {
	run, err := l.look(ctx, id)
	if err != nil {
		return Anchor{}, err
	}
	return l.anchor(ctx, run)
}

func (l *Log) anchor(ctx context.Context, run Run) (a Anchor, err error) {
	if run.Anchor == 0 {
		return Anchor{}, nil
	}
	err = l.notes(ctx, run, func(n Note) bool {
		if n.Kind == noteKindAnchor {
			if noted := n.anchor(); noted.Seq == run.Anchor {
				a = noted
			}
		}
		return a.Seq == 0
	})
	if err == nil && a.Seq == 0 {
		err = corrupt(run.ID, run.first(), noAnchor(run.Anchor))
	}
	return a, err
}

func noAnchor(seq uint64) string {
	return fmt.Sprintf("the run begins after seq %d, and no note says that the events up to it were dropped", seq)
}

// anchor returns what a note of that kind says.
func (n *Note) anchor() Anchor {
	var a Anchor
	if json.Unmarshal(n.Data, &a) != nil {
		return Anchor{}
	}
	a.At = n.At
	return a
}

// dropped returns the error for an event that is not there any more.
func (r *reader) dropped(ctx context.Context, seq uint64) error {
	a, err := r.l.anchor(ctx, r.run)
	if err != nil {
		return err
	}
	return a.dropped(r.run.ID, seq, fmt.Sprintf("event %d", seq))
}

func (a *Anchor) dropped(run string, seq uint64, what string) error {
	return &Error{Run: run, Seq: seq, Reason: fmt.Sprintf("%s went with all up to seq %d at %s: %s", what, a.Seq, a.At.UTC().Format(time.RFC3339), a.Reason), Err: ErrDropped}
}

// front is what goes from a run's beginning.
type front struct {
	Anchor
	last anchored
	// What the run's summary has of them: pruned ones, and of the others the
	// states' size; and what they took as they were stored.
	pruned        uint64
	bytes, stored int64
}

// cut takes the front off the run's summary.
func (r *Run) cut(f *front) {
	r.anchorAt(f.last)
	r.row.Pruned -= f.pruned
	r.row.PrunedBytes += f.bytes
	r.row.Freed += f.stored
}

// truncate drops what comes before first, if the run is as it was looked at but for
// new events: else it is ErrConflict.
func (l *Log) truncate(ctx context.Context, run Run, first uint64, reason string) error {
	r := l.reader(run)
	f, err := r.front(ctx, first)
	if err != nil {
		return l.unlessMoved(ctx, run, err)
	}
	if err := l.noteAnchor(ctx, run, f.Anchor, reason); err != nil {
		return err
	}
	segs, err := r.segments(ctx)
	if err != nil {
		return err
	}
	b := &block{}
	var retire []uint64
	plan, made := sealPlan{from: first, to: min(first+sealEvents-1, run.Last)}, first >= run.tail
	for _, s := range segs {
		if s.First < first {
			retire = append(retire, s.ID)
		}
		if s.First < first && first <= s.Last { // its other events remain
			plan.to, plan.retire, made = s.Last, []uint64{s.ID}, true
		}
	}
	if made {
		if b, err = r.build(ctx, plan, nil); err != nil {
			return l.unlessMoved(ctx, run, err)
		}
	}
	b.retire, b.front = retire, f
	return l.enforce(ctx, run, b)
}

// front sums up the events before first.
func (r *reader) front(ctx context.Context, first uint64) (*front, error) {
	a, err := r.l.anchor(ctx, r.run)
	if err != nil {
		return nil, err
	}
	f := &front{Anchor: Anchor{Began: r.run.CreatedAt, Visits: map[string]int{}}}
	maps.Copy(f.Visits, a.Visits)
	for rec, err := range r.scan(ctx, HistoryOptions{From: r.run.first(), To: first - 1, HeadersOnly: true}) {
		if err != nil {
			return nil, err
		}
		ev, err := r.header(rec)
		if err != nil {
			return nil, err
		}
		f.Visits[ev.NodeID]++
		f.stored += stored(rec)
		if ev.Pruned {
			f.pruned++
		} else {
			f.bytes += ev.Size
		}
		f.last = anchored{rec.Seq, rec.Hash, rec.Bytes, rec.Stored}
	}
	f.Seq, f.Hash, f.Bytes = f.last.Seq, f.last.Hash, f.last.Bytes
	return f, nil
}

// noteAnchor notes what is about to be dropped, unless that was done before.
func (l *Log) noteAnchor(ctx context.Context, run Run, a Anchor, reason string) error {
	noted := false
	err := l.notes(ctx, run, func(n Note) bool {
		noted = n.Kind == noteKindAnchor && n.anchor().Seq == a.Seq
		return !noted
	})
	if err != nil || noted {
		return err
	}
	a.Reason = reason
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return l.addNote(ctx, run, Note{Kind: noteKindAnchor, Events: []Range{{run.first(), a.Seq}}, Data: data})
}

// anchor begins a verification at the run's anchor, which has to be the one that a
// note speaks of, with nothing left before it.
func (v *verifier) anchor(ctx context.Context, run *Run) error {
	a := run.row.Anchor
	if run.Anchor == 0 {
		return nil
	}
	if a == nil { // the head is damaged
		v.gap = true
		return nil
	}
	v.prev, v.total = a.Hash, a.Bytes
	if !slices.ContainsFunc(v.notes, func(n Note) bool {
		noted := n.anchor()
		return n.Kind == noteKindAnchor && noted.Seq == a.Seq && noted.Hash == a.Hash && noted.Bytes == a.Bytes
	}) {
		v.rep.problem(run.first(), corrupt(run.ID, run.first(), noAnchor(a.Seq)+", with the hash "+a.Hash.String()))
	}
	segs, err := v.r.segments(ctx)
	if err != nil {
		return err
	}
	if len(segs) == 0 || segs[0].First != run.first() {
		v.rep.problem(run.first(), corrupt(run.ID, run.first(), fmt.Sprintf("the run begins after seq %d, and its oldest segment does not", a.Seq)))
	}
	return nil
}

// begin puts a run that is imported where it begins.
func (r *Run) begin(a *Anchor) {
	r.anchorAt(anchored{Seq: a.Seq, Hash: a.Hash, Bytes: a.Bytes}) // Stored comes with the first part
	r.row.PrunedBytes, r.CreatedAt, r.row.CreatedAt = a.Bytes, a.Began, a.Began
	r.stand(a.Seq, a.Hash, a.Bytes, 0)
}
