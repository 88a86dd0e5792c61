package log

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/flowlog/checkpoint/driver"
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
	if m.Version != formatVersion || m.Suite != suiteSHA256 {
		return Run{}, &Error{Run: m.RunID, Reason: "this flowlog does not read the run's format; use the flowlog that wrote it",
			Want: fmt.Sprintf("version %d, suite %d", formatVersion, suiteSHA256), Have: fmt.Sprintf("version %d, suite %d", m.Version, m.Suite), Err: ErrUnsupportedVersion}
	}
	if a := m.Anchor; a != nil && (a.Seq == 0 || a.Seq >= m.Events || a.Bytes < 0 || a.Note == 0 || a.Class > ClassFailed) {
		return Run{}, corrupt(m.RunID, a.Seq, fmt.Sprintf("an anchor at seq %d, after %d bytes, of a run up to seq %d", a.Seq, a.Bytes, m.Events))
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
	im := importer{l: l, manifest: m, opts: opts, run: staging(m.RunID)}
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
	l        *Log
	manifest Manifest
	opts     ImportOptions
	run      Run // as imported so far
	block    openBlock
	counts   map[visitKey]uint64 // visits of each node so far
	marks    Marks
	anchor   Anchor // that a note describes
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
	case m.Notes != nil && im.run.Notes < m.Notes.Count:
		return &Error{Run: m.RunID, Reason: "not all notes are there", Want: fmt.Sprint(m.Notes.Count), Have: fmt.Sprint(im.run.Notes), Err: ErrCorrupt}
	}
	if err := im.store(ctx, driver.Change{}, im.folded); err != nil {
		return err
	}
	rep, err := im.l.verify(ctx, im.run, VerifyOptions{Progress: func(events uint64) { im.opts.Progress(m.Events + events) }})
	if err != nil {
		return im.overtaken(err)
	}
	if !rep.Intact() {
		return rep.Problems[0]
	}
	return im.finish(ctx)
}

// add stores a part.
func (im *importer) add(ctx context.Context, part Part) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	run := &im.run
	if len(part.Notes) > 0 {
		if run.Last != im.manifest.Events {
			return corrupt(run.ID, run.Last, fmt.Sprintf("notes come before the last of %d events", im.manifest.Events))
		}
		return im.store(ctx, driver.Change{}, func(c *driver.Change) error { return im.takeNotes(part.Notes, c) })
	}
	if run.row.Notes.Count > 0 {
		return corrupt(run.ID, run.Last, "events come after notes")
	}
	change, err := im.fits(part)
	if err != nil {
		return err
	}
	if run.Life != im.manifest.Life || run.Last > im.manifest.Events {
		return corrupt(run.ID, run.Last, fmt.Sprintf("it is an event of incarnation %s, and of %d there are %d at most", run.Life, run.Last, im.manifest.Events))
	}
	if err := im.store(ctx, change, nil); err != nil {
		return err
	}
	im.opts.Progress(run.Last)
	return nil
}

// takeNotes adds notes to the run and folds them.
func (im *importer) takeNotes(values [][]byte, c *driver.Change) error {
	for _, value := range values {
		number := im.run.row.Notes.Count + 1
		n := readNote(im.run.ID, number, value)
		if n.err == nil && len(value) > driver.MaxEntry {
			n.err = corrupt(im.run.ID, 0, fmt.Sprintf("note %d takes %d bytes", number, len(value)))
		}
		if n.err != nil {
			return n.err
		}
		if err := im.marks.take(&n.Note, &im.run); err != nil {
			return corrupt(im.run.ID, 0, fmt.Sprintf("note %d of kind %q: %v", number, n.Kind, err))
		}
		if marking(n.Kind) {
			im.run.row.Marked = number
		}
		if a := im.manifest.Anchor; a != nil && number == a.Note && n.Kind == noteKindAnchor {
			im.anchor = n.anchor()
		}
		im.run.addNote(value)
		if n := im.manifest.Notes; n != nil && number == n.Count && im.run.row.Notes.Hash != n.Hash {
			return &Error{Run: im.run.ID, Reason: fmt.Sprintf("the hash chain of its %d notes does not lead to the manifest", number), Want: n.Hash.String(), Have: im.run.row.Notes.Hash.String(), Err: ErrCorrupt}
		}
		c.Put = append(c.Put, driver.Entry{Key: noteKey(number), Value: value})
	}
	return nil
}

// folded adds what the notes fold into: the marks, and the dropped visits.
func (im *importer) folded(c *driver.Change) error {
	if !im.marks.Run.empty() {
		e, err := im.marks.Run.entry(0, nil)
		if err != nil {
			return err
		}
		c.Put = append(c.Put, e)
	}
	for seq, m := range im.marks.Events {
		if m.empty() {
			continue
		}
		e, err := m.entry(seq, nil)
		if err != nil {
			return err
		}
		c.Put = append(c.Put, e)
	}
	for v, n := range im.anchor.nodes() {
		im.run.row.LikeVisits = im.run.row.LikeVisits || likeVisit(v.node)
		c.Put = append(c.Put, droppedEntry(keyOf(v.role, v.node), n))
	}
	return nil
}

// store makes a change to the staged run; more, if not nil, adds to it.
func (im *importer) store(ctx context.Context, c driver.Change, more func(*driver.Change) error) error {
	if err := im.l.acquire(ctx); err != nil {
		return err
	}
	defer im.l.release()
	if more != nil {
		if err := more(&c); err != nil {
			return err
		}
	}
	if err := im.l.stage(ctx, &im.run, c); err != nil {
		return im.overtaken(err)
	}
	return nil
}

// finish makes the run visible.
func (im *importer) finish(ctx context.Context) error {
	if err := im.l.acquire(ctx); err != nil {
		return err
	}
	defer im.l.release()
	done := im.run
	done.row.Staged = time.Time{}
	head, err := done.head()
	if err != nil {
		return err
	}
	im.l.live.forget(done.ID)
	class := uint8(done.Class)
	res, err := im.l.applyOne(ctx, driver.Change{Run: done.ID, Revision: done.revision, Head: head, Class: &class})
	if err != nil {
		return im.overtaken(err)
	}
	done.revision = res.Revision
	im.run = done
	return nil
}

// overtaken says what it means that the run is not as it was left.
func (im *importer) overtaken(err error) error {
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) {
		return &Error{Run: im.manifest.RunID, Reason: "the run was written, imported or swept by another process meanwhile; check whether it exists", Err: ErrConflict}
	}
	return err
}

// undo removes what was stored.
func (im *importer) undo() error {
	if im.run.revision == 0 {
		return nil
	}
	ctx := context.Background()
	err := im.l.acquire(ctx)
	if err == nil {
		err = im.l.clear(ctx, im.run)
		im.l.release()
	}
	if errors.Is(err, ErrConflict) { // somebody else's
		return nil
	}
	if err == nil {
		err = im.l.purgeAll(ctx)
	}
	if err == nil || errors.Is(err, ErrReadOnly) || errors.Is(err, ErrClosed) {
		return nil // else it is left for Sweep
	}
	return fmt.Errorf("not all that was stored could be removed; compacting the store does so later: %w", err)
}
