package log

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/flowlog/checkpoint/driver"
)

// Manifest says which run an export holds, and up to where.
type Manifest struct {
	// Version is the engine's format version. Suite names its hash and cipher.
	Version int    `json:"version"`
	Suite   int    `json:"suite"`
	RunID   string `json:"run_id"`
	// Life is the run's incarnation id.
	Life string `json:"life"`
	// Events is the seq of the newest event, Head its place in the hash chain.
	Events uint64 `json:"events"`
	Head   Digest `json:"head"`
	// Anchor is where the run begins; nil if no event was dropped.
	Anchor *ManifestAnchor `json:"anchor,omitempty"`
	// Notes is the end of the run's notes; nil if it had no notes. Notes that came during
	// the export follow.
	Notes *ManifestNotes `json:"notes,omitempty"`
}

// ManifestNotes is the number of a run's notes, and the end of their hash chain.
type ManifestNotes struct {
	Count uint64 `json:"count"`
	Hash  Digest `json:"hash"`
}

// ManifestAnchor is the last event dropped from the beginning of a run: see [Anchor].
type ManifestAnchor struct {
	Seq   uint64    `json:"seq"`
	Hash  Digest    `json:"hash"`
	Bytes int64     `json:"bytes"`
	Began time.Time `json:"began"`
	// Common is what the first event said and later ones don't repeat.
	Common Common `json:"common,omitzero"`
	Note   uint64 `json:"note"` // the number of the note that says more
	// Class is the run's, where none of the events that are there says it.
	Class Class `json:"class,omitempty"`
}

// Part is a part of an export: a segment of the run's events, or some of its notes, which
// come after all events. Index and Data are as in [driver.Segment], in the format of
// package log/segment. Notes holds notes as stored, by number.
type Part struct {
	Index, Data []byte
	Notes       [][]byte
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
	run, a, err := l.anchored(ctx, id)
	if err != nil {
		return Manifest{}, nil, err
	}
	m := Manifest{Version: formatVersion, Suite: suiteSHA256, RunID: run.ID, Life: run.Life, Events: run.Last, Head: run.Hash}
	if n := run.row.Notes; n.Count > 0 {
		m.Notes = &ManifestNotes{n.Count, n.Hash}
	}
	if run.Anchor > 0 {
		m.Anchor = &ManifestAnchor{Seq: a.Seq, Hash: a.Hash, Bytes: a.Bytes, Began: a.Began, Common: a.Common, Note: run.row.Anchor.Note, Class: run.Class}
	}
	return m, func(yield func(Part, error) bool) {
		for seg, err := range l.exported(ctx, run) {
			if !yield(Part{Index: seg.Index, Data: seg.Data}, err) || err != nil {
				return
			}
		}
		// The notes come last: so there is one for each state that was found pruned.
		if err := l.exportNotes(ctx, run, yield); err != nil {
			yield(Part{}, err)
		}
	}, nil
}

// anchored returns a run with its anchor.
func (l *Log) anchored(ctx context.Context, id string) (Run, Anchor, error) {
	for {
		run, err := l.look(ctx, id)
		if err == nil { // all that a head says can be had from the events
			err = run.lastErr
		}
		if err != nil {
			return Run{}, Anchor{}, err
		}
		a, err := l.anchor(ctx, run)
		if err != nil || a.Seq == run.Anchor {
			return run, a, err
		}
	}
}

// notesPart is the least number of bytes of notes in a part, unless it is the last.
const notesPart = 1 << 20

// exportNotes gives all notes of a run.
func (l *Log) exportNotes(ctx context.Context, run Run, yield func(Part, error) bool) error {
	now, err := l.run(ctx, run.ID)
	if err != nil {
		return err
	}
	if now.Life != run.Life {
		return l.gone(ctx, run)
	}
	var part Part
	size := 0
	for _, n := range l.notes(ctx, now) {
		if n.err != nil {
			return n.err
		}
		part.Notes = append(part.Notes, n.value)
		if size += len(n.value); size >= notesPart {
			if !yield(part, nil) {
				return nil
			}
			part, size = Part{}, 0
		}
	}
	if len(part.Notes) > 0 {
		yield(part, nil)
	}
	return nil
}

// exported streams the events of one log as segments.
func (l *Log) exported(ctx context.Context, run Run) iter.Seq2[driver.Segment, error] {
	return func(yield func(driver.Segment, error) bool) {
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
func (l *Log) follows(run string, seg driver.Segment, prev Digest) (Digest, error) {
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
func (l *Log) exportNext(ctx context.Context, run Run, from uint64) (driver.Segment, error) {
	for {
		if err := l.readable(ctx); err != nil {
			return driver.Segment{}, err
		}
		now, err := l.run(ctx, run.ID)
		if err != nil {
			return driver.Segment{}, err
		}
		if now.Life != run.Life {
			return driver.Segment{}, l.gone(ctx, run)
		}
		r := l.reader(now)
		seg, err := r.exportSegment(ctx, from, run.Last)
		r.close()
		if err = l.unlessMoved(ctx, now, err); errors.Is(err, ErrConflict) {
			continue
		}
		return seg, err
	}
}

func (r *reader) exportSegment(ctx context.Context, from, last uint64) (driver.Segment, error) {
	if from < r.run.tail {
		seg, err := r.l.backend.Segment(ctx, driver.SegmentRequest{Run: r.run.ID, Seq: from})
		switch {
		case errors.Is(err, ErrNotFound): // it was merged into another
			return driver.Segment{}, ErrConflict
		case err != nil:
			return driver.Segment{}, r.damagedSegment(driver.Segment{First: from, Last: from}, err)
		case seg.First == from && seg.Last <= last:
			return seg, r.readBack(ctx, seg)
		}
	}
	b, err := r.build(ctx, sealPlan{from: from, to: min(from+sealEvents-1, last)}, nil)
	if err != nil {
		return driver.Segment{}, err
	}
	return b.Segment, nil
}
