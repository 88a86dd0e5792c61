package log

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"time"

	"github.com/flowlog/checkpoint/log/segment"
)

// An import stores a run's segments one by one, under the run's own id and a head
// that says that the run is staged: it is not there for anybody. When all of it has
// been read back, one change of the head makes it a run. What a crash leaves behind
// is staged for good, until the run is imported again, saved to or deleted, or Sweep
// comes by.

// ImportOptions say how to import.
type ImportOptions struct {
	// Progress, if not nil, is called as events were stored, and again as they were
	// verified: with twice the number of events at the end.
	Progress func(done uint64)
}

// Import makes a run of what [Log.Export] gave: events, notes and hashes are the
// same. The run must not exist. Its id is in the hashes, so it can't have another.
//
// All of it is verified as by [Log.Verify], read back from the storage, before the
// run is there for anybody: then it is there as a whole, and durable. Until then, or
// after an error or a crash, there is no such run. Who saves to the run meanwhile, or
// imports it, goes first: this import fails then.
//
// Memory: one part, and what [Log.Verify] takes.
//
// Errors: ErrConflict if the run exists, or came to be meanwhile; ErrCorrupt, as an
// [Error] with the place, for parts that are not what the manifest says, or not sound;
// ErrUnsupportedVersion; ErrTooLarge if a state is over the limit; an error of parts;
// else as [Log.Append].
func (l *Log) Import(ctx context.Context, m Manifest, parts iter.Seq2[Part, error], opts ImportOptions) (Run, error) {
	if m.Version > formatVersion {
		return Run{}, &Error{Run: m.RunID, Reason: "the run was written by a newer flowlog; update this one",
			Want: fmt.Sprint("at most ", formatVersion), Have: fmt.Sprint(m.Version), Err: ErrUnsupportedVersion}
	}
	if err := checkID("run id", m.RunID); err != nil {
		return Run{}, err
	}
	if err := l.beginImport(ctx, m.RunID); err != nil {
		return Run{}, err
	}
	if opts.Progress == nil {
		opts.Progress = func(uint64) {}
	}
	im := importer{l: l, manifest: m, opts: opts, run: staging(m.RunID), notes: staging(m.RunID + noteSuffix)}
	err := im.all(ctx, parts)
	if err == nil {
		return im.run, nil
	}
	return Run{}, errors.Join(fmt.Errorf("import: %w", err), im.undo())
}

// beginImport clears the way for an import.
func (l *Log) beginImport(ctx context.Context, id string) error {
	if err := l.acquire(ctx); err != nil {
		return err
	}
	defer l.release()
	run, err := l.settled(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return &Error{Run: id, Reason: fmt.Sprintf("the run exists, with %d events; delete it first, or import into another store; under another id its hashes would not hold", run.Last), Err: ErrConflict}
}

// settled reads a run's head, and removes the run if it is staged. The caller holds
// the writer's slot.
func (l *Log) settled(ctx context.Context, id string) (Run, error) {
	for {
		run, err := l.anyRun(ctx, id)
		if err != nil || !run.staged() {
			return run, err
		}
		if err := l.clear(run); err != nil && !errors.Is(err, ErrConflict) {
			return Run{}, err
		}
	}
}

// clear removes a run that is staged, and its notes. The caller holds the writer's
// slot. ErrConflict says that it is no longer as it was looked at.
func (l *Log) clear(run Run) error {
	ctx := context.Background()
	// Who is importing it is stopped before its notes go: else it could finish without.
	if err := l.stage(&run, nil); err != nil {
		return err
	}
	if err := l.clearNotes(ctx, run.ID); err != nil {
		return err
	}
	l.live.forget(run.ID)
	return l.one(Change{Run: run.ID, Revision: run.revision, Drop: true})
}

// clearNotes removes the notes of a run that is staged: nobody can add any.
func (l *Log) clearNotes(ctx context.Context, id string) error {
	h, err := l.backend.Head(ctx, id+noteSuffix)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	l.live.forget(id + noteSuffix)
	return l.one(Change{Run: id + noteSuffix, Revision: h.Revision, Drop: true})
}

// one applies one change. The caller holds the writer's slot.
func (l *Log) one(c Change) error {
	results, err := l.apply([]Change{c})
	if err != nil {
		return err
	}
	return results[0].Err
}

// stage writes the head of a run that is staged, and adds a segment if there is one.
// The caller holds the writer's slot.
func (l *Log) stage(run *Run, seg *Segment) error {
	run.row.Staged = time.Now().UTC()
	return l.write(run, seg)
}

// write writes a run's head, and adds a segment if there is one.
func (l *Log) write(run *Run, seg *Segment) error {
	head, err := run.head()
	if err != nil {
		return err
	}
	change := Change{Run: run.ID, Revision: run.revision, Head: head}
	if seg != nil {
		change.Add = []Segment{*seg}
	}
	results, err := l.apply([]Change{change})
	if err != nil {
		return err
	}
	if err := results[0].Err; err != nil {
		return err
	}
	run.revision = results[0].Revision
	return nil
}

// staging returns a run that is to be imported.
func staging(id string) Run {
	return Run{ID: id, tail: 1, recency: 1, row: row{Version: formatVersion, Rewrites: 1 + uint64(rand.Uint32())<<16}}
}

// importer imports a run.
type importer struct {
	l          *Log
	manifest   Manifest
	opts       ImportOptions
	run, notes Run // as far as they have come
}

func (im *importer) all(ctx context.Context, parts iter.Seq2[Part, error]) error {
	for part, err := range parts {
		if err == nil {
			err = im.add(ctx, part)
		}
		if err != nil {
			return err
		}
	}
	m := im.manifest
	switch {
	case im.run.Last != m.Events || m.Events == 0:
		return &Error{Run: m.RunID, Reason: "not all events are there", Want: fmt.Sprint(m.Events), Have: fmt.Sprint(im.run.Last), Err: ErrCorrupt}
	case im.run.Hash != m.Head:
		return &Error{Run: m.RunID, Seq: m.Events, Reason: "the newest event has another hash", Want: m.Head.String(), Have: im.run.Hash.String(), Err: ErrCorrupt}
	}
	if im.notes.Last > 0 {
		if err := im.finish(ctx, &im.notes, nil); err != nil {
			return err
		}
	}
	return im.finish(ctx, &im.run, func(events uint64) { im.opts.Progress(m.Events + events) })
}

// add stores a part.
func (im *importer) add(ctx context.Context, part Part) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	run := &im.run
	switch {
	case part.Notes && im.run.Last != im.manifest.Events:
		return corrupt(run.ID, im.run.Last, fmt.Sprintf("notes come before all %d events have", im.manifest.Events))
	case !part.Notes && im.notes.Last > 0:
		return corrupt(run.ID, im.run.Last, "events come behind notes")
	case part.Notes:
		run = &im.notes
	}
	seg, err := im.l.fits(run, part)
	if err != nil {
		return err
	}
	if !part.Notes && (run.Life != im.manifest.Life || run.Last > im.manifest.Events) {
		return corrupt(run.ID, run.Last, fmt.Sprintf("it is an event of incarnation %s, and of %d there are %d at most", run.Life, run.Last, im.manifest.Events))
	}
	if err := im.l.acquire(ctx); err != nil {
		return err
	}
	defer im.l.release()
	first := im.run.revision == 0
	if err := im.l.stage(run, &seg); err != nil {
		return im.overtaken(err)
	}
	if first { // notes that an earlier life left behind
		if err := im.l.clearNotes(ctx, im.run.ID); err != nil {
			return err
		}
	}
	if !part.Notes {
		im.opts.Progress(run.Last)
	}
	return nil
}

// finish reads a run back and makes it one that is there.
func (im *importer) finish(ctx context.Context, run *Run, progress func(events uint64)) error {
	rep, err := im.l.verify(ctx, *run, VerifyOptions{Progress: progress})
	if err != nil {
		return err
	}
	if !rep.Intact() {
		return rep.Problems[0]
	}
	if err := im.l.acquire(ctx); err != nil {
		return err
	}
	defer im.l.release()
	before := run.row.Staged
	run.row.Staged = time.Time{}
	if err := im.l.write(run, nil); err != nil {
		run.row.Staged = before
		return im.overtaken(err)
	}
	im.l.live.forget(run.ID)
	return nil
}

// overtaken says what a conflict means.
func (im *importer) overtaken(err error) error {
	if errors.Is(err, ErrConflict) {
		return &Error{Run: im.manifest.RunID, Reason: "somebody else saved to the run or imported it meanwhile, or swept this import away; look whether it is there now", Err: ErrConflict}
	}
	return err
}

// undo removes what was stored. The notes may be there already, as nobody's.
func (im *importer) undo() error {
	if im.run.revision == 0 {
		return nil
	}
	ctx := context.Background()
	err := im.l.acquire(ctx)
	if err == nil {
		err = im.l.clear(im.run)
		im.l.release()
	}
	if err == nil {
		err = im.l.purge(ctx)
	}
	if err == nil || errors.Is(err, ErrConflict) || errors.Is(err, ErrReadOnly) || errors.Is(err, ErrClosed) {
		return nil // nothing to be removed, or left for Sweep
	}
	return fmt.Errorf("not all that was stored could be removed; compacting the store does so later: %w", err)
}

// fits checks that a part is the next of a run, and moves the run's summary on.
func (l *Log) fits(run *Run, part Part) (Segment, error) {
	wrong := func(seq uint64, format string, args ...any) (Segment, error) {
		return Segment{}, corrupt(run.ID, seq, fmt.Sprintf(format, args...))
	}
	x, err := l.segments.ParseIndex(part.Index)
	if err != nil {
		return Segment{}, l.reader(*run).damagedPart(err)
	}
	info := x.Info()
	switch {
	case info.Run != run.ID:
		return wrong(run.Last, "what follows is of run %q", displayID(info.Run))
	case info.First != run.Last+1:
		return wrong(run.Last, "what follows begins with seq %d", info.First)
	case Digest(info.Prev) != run.Hash:
		return wrong(info.First, "the hash chain is broken (want %s, have %s)", Digest(info.Prev), run.Hash)
	case info.Last > MaxSeq || info.Last-info.First >= sealEvents:
		return wrong(info.First, "a segment of %d events, up to seq %d; it can have %d", info.Last-info.First+1, info.Last, sealEvents)
	case info.Recency == 0 || info.Recency > math.MaxInt64 || info.Recency < run.recency:
		return wrong(info.First, "recency %d after %d", info.Recency, run.recency)
	case info.Bytes != run.Bytes+run.row.PrunedBytes:
		return wrong(info.First, "running total of the states' bytes (want %d, have %d)", run.Bytes+run.row.PrunedBytes, info.Bytes)
	case info.Stored > math.MaxInt64/2:
		return wrong(info.First, "running total of stored bytes %d", info.Stored)
	case run.Last == 0:
		run.Life, run.row.Life = info.Life, info.Life
	}
	seg := Segment{First: info.First, Last: info.Last, Size: int64(len(part.Index) + len(part.Data)), Index: part.Index, Data: part.Data}
	s, err := l.reader(*run).unseal(seg, false)
	if err != nil {
		return Segment{}, l.reader(*run).damagedPart(err)
	}
	stored := run.Stored + seg.Size
	for i := range s.records {
		rec := &s.records[i]
		h, err := canonical(run.ID, rec)
		if err != nil {
			return Segment{}, err
		}
		if rec.Encoding == Pruned {
			run.row.Pruned++
			run.row.PrunedBytes += h.Size
		}
		run.setLast(&h, rec)
		if i == len(s.records)-1 {
			run.tail = rec.Seq + 1
			run.row.Sealed = &sealedLast{
				Seq: rec.Seq, Hash: rec.Hash, GraphID: h.Metadata.GraphID, NodeID: h.NodeID, NextNode: h.NextNode,
				Size: h.Size, CreatedAt: h.CreatedAt, Bytes: rec.Bytes, Stored: rec.Stored,
			}
			run.row.Freed = rec.Stored - stored
			run.stand(rec.Seq, rec.Hash, rec.Bytes, rec.Stored)
		}
	}
	return seg, nil
}

// damagedPart gives an error of package segment to the run, at what follows.
func (r *reader) damagedPart(err error) error {
	seq := r.run.Last + 1
	switch {
	case errors.Is(err, segment.ErrUnsupportedVersion):
		return &Error{Run: r.run.ID, Seq: seq, Reason: err.Error(), Err: ErrUnsupportedVersion}
	case errors.Is(err, segment.ErrTooLarge):
		return &Error{Run: r.run.ID, Seq: seq, Reason: err.Error() + "; raise the limit for states to read it", Err: ErrTooLarge}
	}
	return r.damaged(seq, fmt.Errorf("%w: %w", ErrCorrupt, err))
}

// canonical returns a sealed event's header if it is one that this engine writes,
// byte for byte.
func canonical(run string, rec *Record) (Header, error) {
	h, err := parseHeader(run, rec.Seq, rec.Header)
	if err != nil {
		return h, err
	}
	if err := checkHeader(&h); err != nil {
		return h, corrupt(run, rec.Seq, "header: "+err.Error())
	}
	text, err := h.marshal()
	if err != nil {
		return h, err
	}
	switch {
	case !bytes.Equal(text, rec.Header):
		return h, corrupt(run, rec.Seq, "its header is not as flowlog writes one")
	case len(text) > MaxHeader:
		return h, corrupt(run, rec.Seq, fmt.Sprintf("its header takes %d bytes, and can take %d", len(text), MaxHeader))
	case h.Seq > 1 && h.Life != "":
		return h, corrupt(run, rec.Seq, "an incarnation in the middle of the run")
	case rec.Encoding != Plain && rec.Encoding != Delta && rec.Encoding != Pruned:
		return h, corrupt(run, rec.Seq, fmt.Sprintf("its state is stored as %s, which a segment can't have", rec.Encoding))
	}
	return h, nil
}

// Sweep removes what imports that did not finish have left behind, if they had come
// no further since before: half of a run that nobody sees. It returns how many it
// removed, and leaves the space to [Log.Purge]. An import that is still under way is
// made to fail, and leaves nothing behind either.
func (l *Log) Sweep(ctx context.Context, before time.Time) (int, error) {
	swept := 0
	for h, err := range l.heads(ctx, HeadsRequest{Limit: pageHeaders}) {
		if err != nil {
			return swept, err
		}
		run, err := parseHead(h)
		if err != nil || !run.staged() || run.row.Staged.After(before) {
			continue
		}
		if err := l.acquire(ctx); err != nil {
			return swept, err
		}
		err = l.clear(run)
		l.release()
		if err == nil {
			swept++
		} else if !errors.Is(err, ErrConflict) && !errors.Is(err, ErrNotFound) {
			return swept, err
		}
	}
	return swept, nil
}
