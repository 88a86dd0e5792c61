package log

import (
	"context"
	"errors"
	"fmt"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log/segment"
)

// How much a segment holds. All that a segment holds may be lost with it, so it has
// at most 256 events; and it is written in one transaction and read as a whole, so
// it ends early when its events take much.
const (
	sealEvents = 256
	sealBytes  = 8 << 20  // compressed
	sealDeltas = 32 << 20 // of deltas, before compression
)

// A tail shorter than a segment is sealed on its way only if it takes this much.
const (
	heavyEvents = 32
	heavyBytes  = 32 << 20
)

// SealStats is what sealing did.
type SealStats struct {
	// Events were sealed, or moved to a larger segment, and are in Segments new
	// ones.
	Events   uint64
	Segments int
	// States is the size of these events' states, as they were given; Before and
	// After are what headers and states took and take, all in bytes.
	States, Before, After int64
}

// Add adds what another sealing did.
func (s *SealStats) Add(o SealStats) {
	s.Events += o.Events
	s.Segments += o.Segments
	s.States += o.States
	s.Before += o.Before
	s.After += o.After
}

// SealOptions say what Seal does.
type SealOptions struct {
	// Whole takes the whole tail, together with the last segment if that is
	// small; without it Seal takes what fills a segment, and leaves the rest for
	// later.
	Whole bool
	// Progress, if not nil, is called after each segment with what was done so
	// far.
	Progress func(SealStats)
	// Pace, if not nil, is called after each state that was read or written, with
	// no lock held: it may sleep, for the sake of others.
	Pace func()
}

// Seal moves events from a run's tail to segments: each up to 256 of them,
// compressed together.
//
// Nothing is lost or altered: a segment is read back and each state held to its
// hash before it is put in force, by one transaction per segment. Then the records
// that it replaces are dead, and [Log.Purge] erases them. Reading and appending go
// on meanwhile; an append waits for that transaction at most.
//
// With Options.AllPlain there is nothing to seal.
//
// When another process seals the same run, one of the two stops, with a nil error.
//
// Errors: ErrNotFound if there is no such run; ErrCorrupt if an event can't be
// read, which leaves the tail from there on as it is; else as [Log.Append]. A
// done ctx stops between segments, or before one is written.
func (l *Log) Seal(ctx context.Context, id string, opts SealOptions) (SealStats, error) {
	var sum SealStats
	for conflicts := 0; conflicts < 3; {
		done, err := l.sealNext(ctx, id, opts)
		switch {
		case errors.Is(err, ErrConflict):
			conflicts++
			continue
		case err != nil:
			return sum, fmt.Errorf("seal: %w", err)
		case done.Segments == 0:
			return sum, nil
		}
		conflicts = 0
		sum.Add(done)
		if opts.Progress != nil {
			opts.Progress(sum)
		}
	}
	return sum, nil
}

// sealNext makes the next segment of a run, if there is one to be made.
func (l *Log) sealNext(ctx context.Context, id string, opts SealOptions) (SealStats, error) {
	if err := l.writable(ctx); err != nil {
		return SealStats{}, err
	}
	run, err := l.run(ctx, id)
	if err == nil {
		err = run.damage()
	}
	if err != nil {
		return SealStats{}, err
	}
	r := l.reader(run)
	defer r.close()
	r.pace = opts.Pace
	plan, err := r.planSeal(ctx, opts.Whole)
	if err != nil || plan.to < plan.from {
		return SealStats{}, l.unlessMoved(ctx, run, err)
	}
	block, err := r.build(ctx, plan, nil)
	if err != nil {
		return SealStats{}, l.unlessMoved(ctx, run, err)
	}
	if err := ctx.Err(); err != nil {
		return SealStats{}, err
	}
	if opts.Whole && len(plan.retire) == 0 && block.Last == run.Last && block.stats.After >= block.stats.Before {
		return SealStats{}, nil // a few small events take less as they are
	}
	return block.stats, l.enforce(ctx, run, block)
}

// unlessMoved returns err, or ErrConflict if the run has changed since it was looked
// at: what looked damaged then may have been sealed, pruned, dropped or deleted meanwhile.
func (l *Log) unlessMoved(ctx context.Context, run Run, err error) error {
	if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrDropped) && !errors.Is(err, segment.ErrInvalid) {
		return err
	}
	now, headErr := l.run(ctx, run.ID)
	switch {
	case errors.Is(headErr, ErrNotFound):
		return headErr
	case headErr == nil && now.revision != run.revision:
		return ErrConflict
	}
	return err
}

// sealPlan is what to make a segment of: events, and the segments among them.
type sealPlan struct {
	from, to uint64
	retire   []driver.Segment // by ID and First
}

// planSeal chooses the events for the next segment; to is below from if there are
// none.
func (r *reader) planSeal(ctx context.Context, whole bool) (sealPlan, error) {
	run := &r.run
	p := sealPlan{from: run.tail}
	if run.Last < run.tail || !whole && !run.worthSealing() || r.l.opts.AllPlain {
		return p, nil
	}
	last, err := r.lastSegment(ctx)
	if err != nil {
		return p, err
	}
	if last != nil && last.Last == run.tail-1 && run.Last-last.First < sealEvents && last.Size+run.tailBytes() <= sealBytes {
		p.from, p.retire = last.First, []driver.Segment{*last}
	}
	p.to = min(p.from+sealEvents-1, run.Last)
	if p.to == run.Last {
		return p, nil
	}
	// What follows should not rest on the segment: it would have to be stored anew.
	for rec, err := range r.scan(ctx, HistoryOptions{From: run.tail + 1, To: p.to + 1, Backward: true, HeadersOnly: true}) {
		if err != nil {
			return p, err
		}
		if rec.Base == 0 || rec.Encoding == driver.Pruned {
			p.to = rec.Seq - 1
			break
		}
	}
	return p, nil
}

// worthSealing reports whether the tail fills a segment, or takes much.
func (r *Run) worthSealing() bool {
	events := r.Unsealed()
	return events > sealEvents || events >= heavyEvents && r.tailBytes() >= heavyBytes
}

// tailBytes is what the records of the tail take.
func (r *Run) tailBytes() int64 {
	stored := r.Stored + r.row.Freed
	if r.row.Sealed != nil {
		stored -= r.row.Sealed.Stored
	}
	return stored
}

// enforce puts a segment in the place of the events that it holds, if the run is
// as it was when the segment was made but for new events: else it is ErrConflict.
func (l *Log) enforce(ctx context.Context, run Run, b *block) error {
	// What leans on it from outside would make a damage of it spread; what leans on
	// a dropped state could not be read. Most of it is looked for before writers
	// have to wait.
	from, to := b.First, b.Last
	if b.front != nil {
		from = 1
		if to < run.tail {
			to = b.front.Seq
		}
	}
	detach := len(b.dropped) > 0 || b.Last >= run.tail || b.front != nil
	var anew []driver.Record
	var err error
	if detach {
		if anew, err = l.reader(run).leaning(ctx, from, to, to); err != nil {
			return l.unlessMoved(ctx, run, err)
		}
	}
	if err := l.acquire(ctx); err != nil {
		return err
	}
	defer l.release()
	now, err := l.run(ctx, run.ID)
	if err != nil {
		return err
	}
	if now.revision != run.revision || now.damage() != nil {
		return ErrConflict
	}
	change := driver.Change{Run: run.ID, Revision: now.revision, Last: now.Last, Retire: b.retire}
	if b.Last > 0 {
		change.Add = []driver.Segment{b.Segment}
	}
	if detach {
		added, err := l.reader(now).leaning(ctx, from, to, max(to, run.Last))
		if err != nil {
			return err
		}
		change.Rewrite = append(anew, added...)
	}
	for i := range change.Rewrite {
		now.row.Freed -= int64(len(change.Rewrite[i].State)) // about: the delta was small
	}
	now.row.Freed += b.stats.Before - b.stats.After
	if err := l.alongWith(ctx, &now, b, &change); err != nil { // reads the run before the change
		return err
	}
	if b.Last >= now.tail {
		now.tail, now.row.Sealed = b.Last+1, &b.last
	}
	if change.Head, err = now.head(); err != nil {
		return err
	}
	if _, err = l.applyOne(ctx, change); err != nil {
		return err
	}
	if len(b.dropped) > 0 || b.front != nil {
		l.live.unload(run.ID)
	}
	l.live.doubt(run.ID)
	return nil
}

// alongWith completes a change that drops states in a segment or events before it. It
// adds the note that says so, and updates the index of visits and the marks of dropped
// events.
func (l *Log) alongWith(ctx context.Context, now *Run, b *block, c *driver.Change) error {
	if len(b.dropped) == 0 && b.front == nil {
		return nil
	}
	r := l.reader(*now)
	defer r.close()
	now.row.Rewrites++
	var note driver.Entry
	var err error
	if b.front != nil {
		if err := r.dropFront(ctx, b.front, c); err != nil {
			return err
		}
		note, err = now.cut(l, b.front)
	} else {
		if c.Remove, c.Put, err = r.reindex(ctx, b.dropped); err != nil {
			return err
		}
		now.row.Pruned += b.pruned
		now.row.PrunedBytes += b.prunedBytes
		note, err = b.by.note(now, b.dropped)
	}
	c.Put = append(c.Put, note)
	return err
}

// leaning stores anew, whole, the records of the tail behind seq whose deltas are on
// events from first to last.
func (r *reader) leaning(ctx context.Context, first, last, seq uint64) ([]driver.Record, error) {
	var anew []driver.Record
	from, to := max(seq+1, r.run.tail), last+maxLinks
	if from > min(to, r.run.Last) {
		return nil, nil
	}
	for rec, err := range r.scan(ctx, HistoryOptions{From: from, To: to, HeadersOnly: true}) {
		if err != nil {
			return nil, err
		}
		if rec.Encoding == driver.Pruned || rec.Base < first || rec.Base > last {
			continue
		}
		recs, err := r.records(ctx, driver.RecordsRequest{From: rec.Seq, To: rec.Seq, Limit: 1})
		if err != nil {
			return nil, err
		}
		s, err := r.event(ctx, &recs[0])
		if err != nil {
			return nil, err
		}
		rec := r.restore(recs[0], s, nil)
		anew = append(anew, rec.Record)
	}
	return anew, nil
}

// restore returns a record with its state stored anew, on base or whole.
func (r *reader) restore(rec record, s *snapshot, base *snapshot) record {
	e := r.l.codec.encode(s.event.State, base)
	rec.Encoding, rec.Base, rec.Links, rec.State = e.encoding, e.base, uint32(e.links(rec.Seq)), e.bytes
	rec.StateLen = int64(len(rec.State))
	rec.Sum = recordSum(r.run.Life, &rec.Record)
	return rec
}
