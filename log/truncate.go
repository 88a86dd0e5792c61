package log

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"
	"time"

	"github.com/flowlog/checkpoint/driver"
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
	// Common is what the first event said and later ones don't repeat.
	Common Common `json:"common,omitzero"`
	// Visits counts the dropped events that recovery could take, by node. Others
	// counts the dropped events with a role, by role, a space and the node.
	Visits map[string]int `json:"visits,omitempty"`
	Others map[string]int `json:"others,omitempty"`
	// Reason and At say why and when it was done.
	Reason string    `json:"reason"`
	At     time.Time `json:"at,omitzero"`
}

// TruncateFront drops a run's oldest events for good, with their headers: those before
// the seq first, which is then the oldest that is there. The newest has to stay. It
// returns what is left of them, the [Anchor], which a note of the run keeps, and
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

func (l *Log) anchor(ctx context.Context, run Run) (Anchor, error) {
	r := l.reader(run)
	defer r.close()
	return r.anchor(ctx)
}

// anchor reads the note of the run's anchor, and checks it against the head. If the run was
// changed since the reader looked at it, the anchor may be a later one.
func (r *reader) anchor(ctx context.Context) (Anchor, error) {
	run := &r.run
	for run.Anchor > 0 {
		at := run.row.Anchor
		if at == nil { // the head is damaged
			return Anchor{}, run.headErr
		}
		n, err := r.noteAt(ctx, at.Note)
		if err != nil {
			return Anchor{}, err
		}
		if n != nil && n.Kind == noteKindAnchor {
			if a := n.anchor(); a.Seq == at.Seq && a.Hash == at.Hash && a.Bytes == at.Bytes && a.Began.Equal(run.CreatedAt) && a.Common == run.row.Common {
				return a, nil
			}
		}
		moved, err := r.refresh(ctx)
		if err != nil {
			return Anchor{}, err
		}
		if !moved {
			return Anchor{}, corrupt(run.ID, run.first(), fmt.Sprintf("the run begins after seq %d, with the hash %s, and no note says that the events up to it were dropped", at.Seq, at.Hash))
		}
	}
	return Anchor{}, nil
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
	a, err := r.anchor(ctx)
	if err != nil {
		return err
	}
	return a.dropped(r.run.ID, seq, fmt.Sprintf("event %d", seq))
}

func (a *Anchor) dropped(run string, seq uint64, what string) error {
	return &Error{Run: run, Seq: seq, Reason: fmt.Sprintf("%s was removed when the run was truncated through seq %d at %s: %s", what, a.Seq, a.At.UTC().Format(time.RFC3339), a.Reason), Err: ErrDropped}
}

// front is what goes from a run's beginning.
type front struct {
	Anchor
	last anchored
	// What the run's summary has of them: pruned ones, and of the others the
	// states' size; and what they took as they were stored.
	pruned        uint64
	bytes, stored int64
	visits        map[visitKey]uint64 // the number of the last visit dropped now, by node
}

// cut takes the front off the run's summary, and returns the note that says so.
func (r *Run) cut(l *Log, f *front) (driver.Entry, error) {
	data, err := json.Marshal(f.Anchor)
	if err != nil {
		return driver.Entry{}, err
	}
	n := Note{Kind: noteKindAnchor, Events: []Range{{r.first(), f.Seq}}, Data: data}
	e, err := r.note(l, &n)
	f.last.Note = n.Number
	r.anchorAt(f.last)
	r.row.Pruned -= f.pruned
	r.row.PrunedBytes += f.bytes
	r.row.Freed += f.stored
	return e, err
}

// dropFront completes the drop of the events up to a front: it removes their marks, and
// their visits from the index, but keeps the numbers of visits.
func (r *reader) dropFront(ctx context.Context, f *front, c *driver.Change) error {
	c.Remove = append(c.Remove, driver.EntryRange{From: markKey(1), To: markKey(f.Seq + 1)})
	from, to := blockOf(f.Seq + 1)
	left, err := r.visits(ctx, f.Seq+1, min(to, r.run.Last))
	if err != nil {
		return err
	}
	for key, n := range f.visits {
		for _, space := range []byte{spaceTaken, spaceDropped} {
			c.Remove = append(c.Remove, driver.EntryRange{From: visitEntryKey(space, key, 1), To: append(visitEntryKey(space, key, n), 0)})
		}
		c.Put = append(c.Put, droppedEntry(key, n))
	}
	if openFrom, _ := blockOf(r.run.Last + 1); from < openFrom { // the block that the front ends in is full
		for _, e := range indexVisits(left) {
			c.Put = append(c.Put, e.entry())
		}
	}
	return nil
}

// truncate drops what comes before first, if the run is as it was looked at but for
// new events: else it is ErrConflict.
func (l *Log) truncate(ctx context.Context, run Run, first uint64, reason string) error {
	r := l.reader(run)
	defer r.close()
	f, err := r.front(ctx, first)
	if err != nil {
		return l.unlessMoved(ctx, run, err)
	}
	f.Reason = reason
	retire, err := r.segmentsBefore(ctx, first)
	if err != nil {
		return err
	}
	b := &block{}
	plan, made := sealPlan{from: first, to: min(first+sealEvents-1, run.Last)}, first >= run.tail
	if n := len(retire); n > 0 && first <= retire[n-1].Last { // its other events remain
		plan.to, plan.retire, made = retire[n-1].Last, retire[n-1:], true
	}
	if made {
		if b, err = r.build(ctx, plan, nil); err != nil {
			return l.unlessMoved(ctx, run, err)
		}
	}
	b.retire, b.front = retire, f
	return l.enforce(ctx, run, b)
}

// segmentsBefore lists the segments that begin before an event.
func (r *reader) segmentsBefore(ctx context.Context, seq uint64) ([]driver.Segment, error) {
	var all []driver.Segment
	for from := uint64(1); ; {
		page, err := r.listSegments(ctx, driver.SegmentsRequest{From: from, To: seq - 1, Limit: pageHeaders})
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < pageHeaders {
			return all, nil
		}
		from = page[len(page)-1].First + 1
	}
}

// front sums up the events before first.
func (r *reader) front(ctx context.Context, first uint64) (*front, error) {
	a, err := r.anchor(ctx)
	if err != nil {
		return nil, err
	}
	f := &front{Anchor: Anchor{Began: r.run.CreatedAt, Common: r.run.row.Common, Visits: map[string]int{}}, visits: map[visitKey]uint64{}}
	maps.Copy(f.Visits, a.Visits)
	f.Others = maps.Clone(a.Others)
	for rec, err := range r.scan(ctx, HistoryOptions{From: r.run.first(), To: first - 1, HeadersOnly: true}) {
		if err != nil {
			return nil, err
		}
		ev, err := r.header(rec)
		if err != nil {
			return nil, err
		}
		if ev.Seq == 1 && (ev.common() != r.run.row.Common || !ev.CreatedAt.Equal(r.run.CreatedAt)) {
			return nil, corrupt(r.run.ID, 1, "the head does not agree with it: verify the run")
		}
		f.count(&ev.Header)
		f.stored += stored(rec)
		if ev.Pruned {
			f.pruned++
		} else {
			f.bytes += ev.Size
		}
		f.last = anchored{Seq: rec.Seq, Hash: rec.Hash, Bytes: rec.Bytes, Stored: rec.Stored}
	}
	f.Seq, f.Hash, f.Bytes = f.last.Seq, f.last.Hash, f.last.Bytes
	return f, nil
}

// count counts a visit that is dropped.
func (f *front) count(h *Header) {
	f.visits[keyOf(h.Role, h.NodeID)] = h.Visit
	if h.Role == Recoverable {
		f.Visits[h.NodeID] = int(h.Visit)
		return
	}
	if f.Others == nil {
		f.Others = map[string]int{}
	}
	f.Others[string(h.Role)+" "+h.NodeID] = int(h.Visit)
}

// nodeRole is a node in a role: its visits in other roles are counted by themselves.
type nodeRole struct {
	node string
	role Role
}

// nodes yields the nodes whose visits an anchor counts, and how many each has.
func (a *Anchor) nodes() iter.Seq2[nodeRole, uint64] {
	return func(yield func(nodeRole, uint64) bool) {
		for node, n := range a.Visits {
			if !yield(nodeRole{node, Recoverable}, uint64(n)) {
				return
			}
		}
		for name, n := range a.Others {
			role, node, _ := strings.Cut(name, " ")
			if !yield(nodeRole{node, Role(role)}, uint64(n)) {
				return
			}
		}
	}
}

// anchor begins a verification at the run's anchor. A note must describe that anchor,
// and nothing may be left before it.
func (v *verifier) anchor(ctx context.Context, run *Run) error {
	at := run.row.Anchor
	if run.Anchor == 0 {
		return nil
	}
	if at == nil { // the head is damaged
		v.gap = true
		return nil
	}
	v.prev, v.total = at.Hash, at.Bytes
	if a, err := v.r.anchor(ctx); unreadable(err) {
		v.rep.problem(run.first(), err)
		v.index.unknown = true
	} else if err != nil {
		return err
	} else {
		v.index.begin(&a)
	}
	segs, err := v.r.segmentsFrom(ctx, 1, 1)
	if err != nil {
		return err
	}
	if len(segs) == 0 || segs[0].First != run.first() {
		v.rep.problem(run.first(), corrupt(run.ID, run.first(), fmt.Sprintf("the run begins after seq %d, and its oldest segment does not", at.Seq)))
	}
	return nil
}

// begin puts a run that is imported where it begins.
func (r *Run) begin(a *ManifestAnchor) {
	r.Class = a.Class
	r.anchorAt(anchored{Seq: a.Seq, Hash: a.Hash, Bytes: a.Bytes, Note: a.Note}) // Stored comes with the first part
	r.row.PrunedBytes = a.Bytes
	r.began(a.Began, a.Common)
	r.stand(a.Seq, a.Hash, a.Bytes, 0)
}
