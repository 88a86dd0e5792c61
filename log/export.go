package log

import (
	"context"
	"errors"
	"iter"
)

// Manifest says which run an export holds, and up to where.
type Manifest struct {
	// Version is that of what the engine stores: headers and the hash chain.
	Version int    `json:"version"`
	RunID   string `json:"run_id"`
	// Life is the run's incarnation id.
	Life string `json:"life"`
	// Events is the seq of the newest event, Head its place in the hash chain.
	Events uint64 `json:"events"`
	Head   Digest `json:"head"`
	// Anchor is what was dropped of the run's beginning, but for Visits; nil if it
	// is all there.
	Anchor *Anchor `json:"anchor,omitempty"`
}

// Part is a segment of an export: of the run's events, or of its notes, which come
// after all events. Index and Data are as in [Segment], in the format of package
// log/segment.
type Part struct {
	Notes       bool
	Index, Data []byte
}

// Export streams a run, as it stands now, with its notes: segments as they are
// stored, and what is not sealed as segments that are made for it. Nothing is
// written. [Log.Import] makes the same run of it, hashes included, on any storage.
//
// Each state is held to its hash and the chain is followed on the way, so that what
// comes out is sound. Appending, sealing and pruning go on meanwhile: events that come
// later are left out, and a state that is pruned meanwhile may be there or not.
//
// Memory: one segment, and what sealing one takes. Slices of a Part are the caller's.
//
// Errors: ErrNotFound if there is no such run, also if it is deleted on the way;
// ErrCorrupt if an event can't be read; an error of the stream ends it.
func (l *Log) Export(ctx context.Context, id string) (Manifest, iter.Seq2[Part, error], error) {
	run, err := l.look(ctx, id)
	if err == nil { // all that a head says can be had from the events
		err = run.lastErr
	}
	if err != nil {
		return Manifest{}, nil, err
	}
	m := Manifest{Version: formatVersion, RunID: run.ID, Life: run.Life, Events: run.Last, Head: run.Hash}
	if run.Anchor > 0 {
		a, err := l.anchor(ctx, run)
		if err != nil {
			return Manifest{}, nil, err
		}
		a.Visits = nil // the note has them
		m.Version, m.Anchor = anchoredVersion, &a
	}
	return m, func(yield func(Part, error) bool) {
		send := func(run Run, notes bool) (goOn bool) {
			for seg, err := range l.exported(ctx, run) {
				if !yield(Part{notes, seg.Index, seg.Data}, err) || err != nil {
					return false
				}
			}
			return true
		}
		if !send(run, false) {
			return
		}
		// The notes come last: so there is one for each state that was found pruned.
		notes, err := l.run(ctx, id+noteSuffix)
		if err == nil && !send(notes, true) {
			return
		}
		if err == nil || errors.Is(err, ErrNotFound) {
			err = l.gone(ctx, run) // and its notes with it
		}
		if err != nil {
			yield(Part{}, err)
		}
	}, nil
}

// exported streams the events of one log as segments.
func (l *Log) exported(ctx context.Context, run Run) iter.Seq2[Segment, error] {
	return func(yield func(Segment, error) bool) {
		var hash Digest
		if a := run.row.Anchor; a != nil {
			hash = a.Hash
		}
		for from := run.first(); from <= run.Last; {
			seg, err := l.exportNext(ctx, run, from)
			if err == nil {
				hash, err = l.follows(run.ID, seg, hash)
			}
			if err == nil && seg.Last == run.Last && hash != run.Hash {
				err = &Error{Run: run.ID, Seq: run.Last, Reason: "the hash chain does not lead to the head", Want: run.Hash.String(), Have: hash.String(), Err: ErrCorrupt}
			}
			if !yield(seg, err) || err != nil {
				return
			}
			from = seg.Last + 1
		}
	}
}

// follows holds a segment to the hash of the event before it, and returns that of
// its last.
func (l *Log) follows(run string, seg Segment, prev Digest) (Digest, error) {
	x, err := l.segments.ParseIndex(seg.Index)
	if err != nil {
		return Digest{}, err
	}
	info := x.Info()
	if Digest(info.Prev) != prev {
		return Digest{}, &Error{Run: run, Seq: seg.First, Reason: "the hash chain is broken", Want: Digest(info.Prev).String(), Have: prev.String(), Err: ErrCorrupt}
	}
	return Digest(info.Hash), nil
}

// exportNext returns a segment that begins at an event: the one that is stored, if it
// holds no event that is too new.
func (l *Log) exportNext(ctx context.Context, run Run, from uint64) (Segment, error) {
	for {
		if err := l.readable(ctx); err != nil {
			return Segment{}, err
		}
		now, err := l.run(ctx, run.ID)
		if err != nil {
			return Segment{}, err
		}
		if now.Life != run.Life {
			return Segment{}, l.gone(ctx, run)
		}
		seg, err := l.reader(now).exportSegment(ctx, from, run.Last)
		if err = l.unlessMoved(ctx, now, err); errors.Is(err, ErrConflict) {
			continue
		}
		return seg, err
	}
}

func (r *reader) exportSegment(ctx context.Context, from, last uint64) (Segment, error) {
	segs, err := r.segments(ctx)
	if err != nil {
		return Segment{}, err
	}
	for _, s := range segs {
		if s.First != from || s.Last > last {
			continue
		}
		seg, err := r.l.backend.Segment(ctx, SegmentRequest{Run: r.run.ID, ID: s.ID})
		if errors.Is(err, ErrNotFound) { // it was merged into another
			return Segment{}, ErrConflict
		}
		if err != nil {
			return Segment{}, r.damagedSegment(s, err)
		}
		return seg, r.readBack(ctx, seg)
	}
	b, err := r.build(ctx, sealPlan{from: from, to: min(from+sealEvents-1, last)}, nil)
	if err != nil {
		return Segment{}, err
	}
	return b.Segment, nil
}
