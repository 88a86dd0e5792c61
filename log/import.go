package log

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// ImportOptions say how to import.
type ImportOptions struct {
	// Progress, if not nil, is called as events were stored, and again as they were
	// verified: with twice the number of events at the end. It may use the Log.
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
	if m.Version > anchoredVersion {
		return Run{}, &Error{Run: m.RunID, Reason: "the run was written by a newer flowlog; update this one",
			Want: fmt.Sprint("at most ", anchoredVersion), Have: fmt.Sprint(m.Version), Err: ErrUnsupportedVersion}
	}
	if a := m.Anchor; a != nil && (m.Version < anchoredVersion || a.Seq == 0 || a.Seq >= m.Events || a.Bytes < 0) {
		return Run{}, corrupt(m.RunID, a.Seq, fmt.Sprintf("an anchor at seq %d, after %d bytes, of a run up to seq %d in version %d", a.Seq, a.Bytes, m.Events, m.Version))
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
	if m.Anchor != nil {
		im.run.begin(m.Anchor)
	}
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
	return &Error{Run: id, Reason: fmt.Sprintf("the run exists, with %d events; import into another store, or delete it first (EventStore.Delete); under another id its hashes would not hold", run.Last), Err: ErrConflict}
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
		if err := im.check(ctx, im.notes, nil); err != nil {
			return err
		}
	}
	if err := im.check(ctx, im.run, func(events uint64) { im.opts.Progress(m.Events + events) }); err != nil {
		return err
	}
	return im.finish(ctx)
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
	if err := im.store(ctx, run, &seg); err != nil {
		return err
	}
	if !part.Notes {
		im.opts.Progress(run.Last)
	}
	return nil
}

// store stores a segment of the run or of its notes.
func (im *importer) store(ctx context.Context, run *Run, seg *Segment) error {
	if err := im.l.acquire(ctx); err != nil {
		return err
	}
	defer im.l.release()
	first := im.run.revision == 0
	if err := im.l.stage(run, seg); err != nil {
		return im.overtaken(err)
	}
	if first { // notes that an earlier life left behind
		if err := im.l.clearNotes(ctx, im.run); err != nil {
			return im.overtaken(err)
		}
	}
	return nil
}

// check reads back what was stored of a run.
func (im *importer) check(ctx context.Context, run Run, progress func(events uint64)) error {
	rep, err := im.l.verify(ctx, run, VerifyOptions{Progress: progress})
	if err != nil {
		return im.overtaken(err)
	}
	if !rep.Intact() {
		return rep.Problems[0]
	}
	return nil
}

// finish makes the run one that is there, and its notes with it.
func (im *importer) finish(ctx context.Context) error {
	if err := im.l.acquire(ctx); err != nil {
		return err
	}
	defer im.l.release()
	runs := []*Run{&im.notes, &im.run} // without its notes it must not be there
	if im.notes.revision == 0 {
		runs = runs[1:]
	}
	var changes []Change
	for _, run := range runs {
		done := *run
		done.row.Staged = time.Time{}
		head, err := done.head()
		if err != nil {
			return err
		}
		im.l.live.forget(run.ID)
		changes = append(changes, Change{Run: run.ID, Revision: run.revision, Head: head})
	}
	results, err := im.l.apply(changes)
	if err != nil {
		return err
	}
	for i, run := range runs {
		if results[i].Err != nil {
			err = errors.Join(err, im.overtaken(results[i].Err))
			continue
		}
		run.revision, run.row.Staged = results[i].Revision, time.Time{}
	}
	return err
}

// overtaken says what it means that the run is not as it was left.
func (im *importer) overtaken(err error) error {
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) {
		return &Error{Run: im.manifest.RunID, Reason: "somebody else saved to the run or imported it meanwhile, or swept this import away; look whether it is there now", Err: ErrConflict}
	}
	return err
}

// undo removes what was stored.
func (im *importer) undo() error {
	if im.run.revision == 0 {
		return nil
	}
	err := im.l.acquire(context.Background())
	if err == nil {
		err = im.remove()
		im.l.release()
	}
	if err == nil {
		err = im.l.purgeAll(context.Background())
	}
	if err == nil || errors.Is(err, ErrReadOnly) || errors.Is(err, ErrClosed) {
		return nil // else it is left for Sweep
	}
	return fmt.Errorf("not all that was stored could be removed; compacting the store does so later: %w", err)
}

// remove is undo with the writer's slot held. What is not as this import left it is
// somebody else's.
func (im *importer) remove() error {
	if im.notes.revision != 0 {
		err := im.l.one(Change{Run: im.notes.ID, Revision: im.notes.revision, Drop: true})
		if err != nil && !errors.Is(err, ErrConflict) {
			return err
		}
	}
	if err := im.l.clear(im.run); err != nil && !errors.Is(err, ErrConflict) {
		return err
	}
	return nil
}
