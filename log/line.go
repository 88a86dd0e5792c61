package log

import (
	"context"
	"errors"
	"slices"

	"github.com/flowlog/checkpoint/driver"
)

// stretch is a part of a line without a gap: the recoverable events of the run from since
// to tip are all on the line.
type stretch struct{ since, tip uint64 }

// lineWalk goes back along a line, a stretch at a time. A line has one stretch for each
// time that it went back, and one more. It reads no further than it is asked to.
type lineWalk struct {
	r         *reader
	end       uint64 // the event that the line leads to
	stretches []stretch
}

// walk returns the line that leads to an event.
func (r *reader) walk(end uint64) *lineWalk { return &lineWalk{r: r, end: end} }

// at returns the nth stretch, newest first, if there are that many.
func (w *lineWalk) at(ctx context.Context, n int) (stretch, bool, error) {
	for len(w.stretches) <= n {
		seq, err := w.next(ctx)
		if err != nil || seq <= w.r.run.Anchor {
			return stretch{}, false, err
		}
		at, err := w.r.lineAt(ctx, seq)
		if err != nil || at.Recoverable <= w.r.run.Anchor {
			return stretch{}, false, err
		}
		w.stretches = append(w.stretches, stretch{at.Since, at.Recoverable})
	}
	return w.stretches[n], true, nil
}

// next returns the event to continue with, behind the stretches that are known; 0 if there
// is none.
func (w *lineWalk) next(ctx context.Context) (uint64, error) {
	if len(w.stretches) == 0 {
		return w.end, nil
	}
	since := w.stretches[len(w.stretches)-1].since
	if since <= w.r.run.first() {
		return 0, nil
	}
	rec, err := w.r.record(ctx, since, true)
	if err != nil {
		return 0, err
	}
	h, err := w.r.run.checked(rec)
	return h.Parent, err
}

// lineAt returns an event's line, as its record gives it.
func (r *reader) lineAt(ctx context.Context, seq uint64) (line, error) {
	if seq == r.run.Last || seq == r.run.Tip && r.run.line.Recoverable == seq {
		return r.run.line, nil
	}
	rec, err := r.record(ctx, seq, true)
	if err == nil {
		err = rec.check(&r.run)
	}
	if err != nil {
		return line{}, err
	}
	return lineOf(&rec.Record), nil
}

// lineEnd returns the event at a position, and checks its hash if the position has one.
// For a zero position it returns the end of the run's current line.
func (r *reader) lineEnd(ctx context.Context, p Position) (uint64, error) {
	switch damage := r.run.damage(); {
	case p.Seq == 0:
		return r.run.Tip, r.run.lastErr // unknown if the run's newest event is damaged
	case p.Seq > r.run.Last && !p.Hash.IsZero() && damage == nil:
		return 0, otherLife(r.run.ID, p, Digest{})
	}
	rec, err := r.record(ctx, p.Seq, true)
	if err != nil {
		return 0, err
	}
	_, err = heldTo(r.run.ID, p, &rec.Record)
	return p.Seq, err
}

// nodeFinder finds the newest visit of nodes on one line that recovery can take.
type nodeFinder struct {
	r    *reader
	walk *lineWalk
	open []visit // after the last full block, as far as the line may reach
}

// findNodes reads nothing after the line's end: damage there does not matter.
func (r *reader) findNodes(ctx context.Context, at uint64) (*nodeFinder, error) {
	from, _ := blockOf(r.run.Last + 1)
	open, err := r.visits(ctx, from, at)
	return &nodeFinder{r: r, walk: r.walk(at), open: open}, err
}

// newest returns the seq of the newest visit of a node, 0 if there is no visit. hint, if
// not nil, is the newest entry of the node in the index.
func (f *nodeFinder) newest(ctx context.Context, key visitKey, hint *visitEntry) (uint64, error) {
	for n := 0; ; n++ {
		s, ok, err := f.walk.at(ctx, n)
		if err != nil || !ok {
			return 0, err
		}
		if seq, err := f.within(ctx, key, s, &hint); seq != 0 || err != nil {
			return seq, err
		}
	}
}

// within is newest in one stretch.
func (f *nodeFinder) within(ctx context.Context, key visitKey, s stretch, hint **visitEntry) (uint64, error) {
	if seq, err := newestTaken(f.open, key, s); seq != 0 || err != nil {
		return seq, err
	}
	if *hint == nil {
		e, _, err := f.r.visitEntryBelow(ctx, spaceTaken, key, MaxSeq)
		if err != nil {
			return 0, err
		}
		*hint = &e
	}
	e, ok, err := f.entryUpTo(ctx, spaceTaken, **hint, s.tip)
	if err != nil || !ok {
		return 0, err
	}
	if e.newest > s.tip { // the stretch ends in the middle of the block
		_, to := blockOf(e.seqFirst)
		visits, err := f.r.visits(ctx, e.seqFirst, min(to, s.tip))
		if err != nil {
			return 0, err
		}
		if seq, err := newestTaken(visits, key, s); seq != 0 || err != nil || e.first == 1 {
			return seq, err
		}
		if e, ok, err = f.r.visitEntryBelow(ctx, spaceTaken, key, e.first-1); err != nil || !ok {
			return 0, err
		}
	}
	if e.newest < s.since {
		return 0, nil
	}
	return e.newest, nil
}

// newestTaken returns the newest of some visits that recovery can take and that is in a
// stretch, or 0. A damaged record is an error, unless a newer visit is found first.
func newestTaken(visits []visit, key visitKey, s stretch) (uint64, error) {
	for _, v := range slices.Backward(visits) {
		switch {
		case v.seq < s.since || v.seq > s.tip:
		case v.damage != nil:
			return 0, v.damage
		case v.key == key && v.taken:
			return v.seq, nil
		}
	}
	return 0, nil
}

// newestOfAny returns the seq of the newest visit of a node on the line, whether or not
// recovery can take it; 0 if there is no visit.
func (f *nodeFinder) newestOfAny(ctx context.Context, key visitKey) (uint64, error) {
	for n := 0; ; n++ {
		s, ok, err := f.walk.at(ctx, n)
		if err != nil || !ok {
			return 0, err
		}
		newest := newestVisit(f.open, key, s)
		for _, space := range []byte{spaceTaken, spaceDropped} {
			e, _, err := f.r.visitEntryBelow(ctx, space, key, MaxSeq)
			if err == nil {
				e, ok, err = f.entryUpTo(ctx, space, e, s.tip)
			}
			if err != nil {
				return 0, err
			}
			if !ok {
				continue
			}
			_, to := blockOf(e.seqFirst)
			visits, err := f.r.visits(ctx, e.seqFirst, min(to, s.tip))
			if err != nil {
				return 0, err
			}
			newest = max(newest, newestVisit(visits, key, s))
		}
		if newest != 0 {
			return newest, nil
		}
	}
}

// newestVisit returns the newest of some visits that is in a stretch, or 0.
func newestVisit(visits []visit, key visitKey, s stretch) uint64 {
	for _, v := range slices.Backward(visits) {
		if v.key == key && v.seq >= s.since && v.seq <= s.tip {
			return v.seq
		}
	}
	return 0
}

// entryUpTo returns the newest entry of a node, in one space, whose first visit is at most
// at seq. It halves the visits up to those of newest, the node's newest entry there, until
// it is found.
func (f *nodeFinder) entryUpTo(ctx context.Context, space byte, newest visitEntry, seq uint64) (visitEntry, bool, error) {
	if newest.first == 0 || newest.seqFirst <= seq {
		return newest, newest.first != 0, nil
	}
	var best visitEntry
	for low, high := uint64(1), newest.first-1; low <= high; {
		middle := low + (high-low)/2
		e, ok, err := f.r.visitEntryBelow(ctx, space, newest.key, middle)
		if err != nil {
			return visitEntry{}, false, err
		}
		if ok && e.seqFirst > seq {
			high = e.first - 1
			continue
		}
		if ok {
			best = e
		}
		low = middle + 1
	}
	return best, best.first != 0, nil
}

// contains reports whether a recoverable event is on the line.
func (w *lineWalk) contains(ctx context.Context, seq uint64) (bool, error) {
	for n := 0; ; n++ {
		s, ok, err := w.at(ctx, n)
		if err != nil || !ok || seq > s.tip {
			return false, err
		}
		if seq >= s.since {
			return true, nil
		}
	}
}

// Nodes returns the newest event of each node that recovery can take, by seq and without
// states. It follows the line that leads to the event at, or the run's current line if at
// is zero.
//
// Its cost is the number of nodes, times how often the line went back, and does not grow
// with the number of events.
//
// Errors: ErrNotFound if there is no such run or event, ErrDropped if it was dropped;
// ErrConflict if at has the hash of another life of the run.
func (l *Log) Nodes(ctx context.Context, id string, at Position) ([]*Event, error) {
	return settle(ctx, l, id, func(run Run) ([]*Event, error) { return l.nodes(ctx, run, at) })
}

func (l *Log) nodes(ctx context.Context, run Run, at Position) ([]*Event, error) {
	r := l.reader(run)
	defer r.close()
	end, err := r.lineEnd(ctx, at)
	if err != nil {
		return nil, err
	}
	f, err := r.findNodes(ctx, end)
	if err != nil {
		return nil, err
	}
	var seqs []uint64
	done := map[visitKey]bool{}
	find := func(key visitKey, hint *visitEntry) error {
		if done[key] {
			return nil
		}
		done[key] = true
		seq, err := f.newest(ctx, key, hint)
		if seq != 0 {
			seqs = append(seqs, seq)
		}
		return err
	}
	for _, v := range f.open {
		if v.taken || v.damage != nil {
			if err := find(v.key, nil); err != nil {
				return nil, err
			}
		}
	}
	for to := []byte{spaceTaken + 1}; ; { // the newest entry of each node, from the last node on
		e, ok, err := r.lastVisitEntry(ctx, driver.EntryRange{From: []byte{spaceTaken}, To: to})
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if err := find(e.key, &e); err != nil {
			return nil, err
		}
		to = append([]byte{spaceTaken}, e.key[:]...)
	}
	slices.Sort(seqs)
	return r.headers(ctx, seqs)
}

// headers reads events without their states; all of seqs are of visits that recovery can
// take.
func (r *reader) headers(ctx context.Context, seqs []uint64) ([]*Event, error) {
	events := make([]*Event, 0, len(seqs))
	for _, seq := range seqs {
		rec, err := r.record(ctx, seq, true)
		if err != nil {
			return nil, err
		}
		ev, err := r.header(rec)
		if err != nil {
			return nil, err
		}
		if ev.Pruned { // just now
			return nil, errPrunedMeanwhile
		}
		events = append(events, &ev)
	}
	return events, nil
}

// errPrunedMeanwhile says that a state was dropped after the index was read.
var errPrunedMeanwhile = errors.New("pruned meanwhile")

// settle calls f with a run, and again as long as f finds that states were dropped
// meanwhile and the run has changed since.
func settle[T any](ctx context.Context, l *Log, id string, f func(Run) (T, error)) (T, error) {
	var none T
	var revision uint64
	for {
		run, err := l.look(ctx, id)
		if err != nil {
			return none, err
		}
		v, err := f(run)
		if !errors.Is(err, errPrunedMeanwhile) {
			return v, err
		}
		if run.revision == revision {
			return none, corrupt(id, 0, "the index of visits leads to an event whose state was dropped")
		}
		revision = run.revision
	}
}
