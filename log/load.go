package log

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/flowlog/checkpoint/driver"
)

// The size of a page of a history. Iterators read a page, release the storage and only
// then let the caller work.
const (
	pageHeaders = 512
	pageStates  = 64
	pageBytes   = 4 << 20
)

// Run returns the summary of a run, or ErrNotFound if there is no run with that id.
func (l *Log) Run(ctx context.Context, id string) (Run, error) {
	run, err := l.look(ctx, id)
	if err == nil {
		err = run.damage()
	}
	return run, err
}

// damage returns the damage of the run's summary.
func (r *Run) damage() error {
	if r.headErr != nil {
		return r.headErr
	}
	return r.lastErr
}

// look is Run for readers of events: a damaged newest event does not stop them.
func (l *Log) look(ctx context.Context, id string) (Run, error) {
	if err := checkID("run id", id); err != nil {
		return Run{}, err
	}
	if err := l.readable(ctx); err != nil {
		return Run{}, err
	}
	return l.run(ctx, id)
}

// run reads a head. A run whose import has not finished counts as missing.
func (l *Log) run(ctx context.Context, id string) (Run, error) {
	r, _, err := l.runWith(ctx, driver.HeadRequest{Run: id})
	return r, err
}

// runWith is run that also returns the record that the request asks for, nil if it is not
// in the tail.
func (l *Log) runWith(ctx context.Context, req driver.HeadRequest) (Run, *driver.Record, error) {
	r, tip, err := l.anyRun(ctx, req)
	if err == nil && r.staged() {
		return Run{}, nil, notFound(req.Run, 0, "there is no such run; an import of it has not finished")
	}
	return r, tip, err
}

// anyRun is runWith that also returns a run whose import has not finished.
func (l *Log) anyRun(ctx context.Context, req driver.HeadRequest) (Run, *driver.Record, error) {
	h, err := l.backend.Head(ctx, req)
	if errors.Is(err, ErrNotFound) {
		return Run{}, nil, notFound(req.Run, 0, "there is no such run")
	}
	if err != nil {
		return Run{}, nil, fmt.Errorf("%sread head: %w", place(req.Run, 0), err)
	}
	r, err := parseHead(&h)
	if errors.Is(err, ErrCorrupt) {
		r, err = l.derive(ctx, h, err)
	}
	return r, h.Tip, err
}

// Newest returns the event that recovery takes: the newest that still has its state on
// the run's current line, which is the line of its newest recoverable event. It is
// never an event of another line. It reads only the head and the event, whatever
// failures came after it.
//
// Errors: ErrNotFound if there is no such run, or it has nothing to recover; ErrPruned if
// no event of the line still has its state.
func (l *Log) Newest(ctx context.Context, id string) (*Event, error) {
	if err := checkID("run id", id); err != nil {
		return nil, err
	}
	if err := l.readable(ctx); err != nil {
		return nil, err
	}
	lr, live := l.live.get(id)
	run, tip, err := l.runWith(ctx, driver.HeadRequest{Run: id, Tip: !live || lr.newest == nil})
	if err != nil {
		return nil, err
	}
	if live && lr.newest.of(&run) && lr.newest.event.Seq == run.Tip {
		return lr.newest.give(), nil
	}
	if run.lastErr != nil { // then the newest is unknown, too
		return nil, run.lastErr
	}
	if run.Tip == 0 {
		return nil, notFound(id, 0, "the run has no checkpoint to recover from yet")
	}
	ev, err := l.tip(ctx, run, tip)
	if !errors.Is(err, ErrPruned) {
		return ev, err
	}
	return l.newestOnLine(ctx, run, err)
}

// tip returns the run's newest recoverable event, whose record may have been read with
// the head.
func (l *Log) tip(ctx context.Context, run Run, rec *driver.Record) (*Event, error) {
	if rec == nil || rec.Seq != run.Tip || rec.Encoding == driver.Pruned {
		return l.at(ctx, run, run.Tip)
	}
	r := l.reader(run)
	defer r.close()
	from := tailRecord(*rec)
	s, err := r.event(ctx, &from)
	if err != nil {
		return nil, err
	}
	return l.giveAt(ctx, run, s)
}

// newestOnLine goes back along the line to an event that still has its state. pruned
// says why the newest has no state. Where it is not among the last few hundred, it is the
// newest of those that the index has of each node.
func (l *Log) newestOnLine(ctx context.Context, run Run, pruned error) (*Event, error) {
	for ev, err := range l.history(ctx, run, HistoryOptions{To: run.Tip, Lineage: true, HeadersOnly: true, Limit: pageHeaders}) {
		if err != nil {
			return nil, err
		}
		if ev.Pruned || ev.Role != Recoverable {
			continue
		}
		if ev, err := l.at(ctx, run, ev.Seq); !errors.Is(err, ErrPruned) {
			return ev, err // else it was pruned just now
		}
	}
	return settle(ctx, l, run.ID, func(run Run) (*Event, error) {
		nodes, err := l.nodes(ctx, run, Position{})
		if err != nil {
			return nil, err
		}
		if len(nodes) == 0 {
			return nil, pruned
		}
		ev, err := l.at(ctx, run, nodes[len(nodes)-1].Seq)
		if errors.Is(err, ErrPruned) {
			return nil, errPrunedMeanwhile
		}
		return ev, err
	})
}

// At returns one event by its seq, whatever its role.
//
// Errors: ErrNotFound if there is no such run or event, ErrDropped if it was dropped;
// ErrPruned, as a [PrunedError], if its state was dropped.
func (l *Log) At(ctx context.Context, id string, seq uint64) (*Event, error) {
	run, err := l.look(ctx, id)
	if err != nil {
		return nil, err
	}
	return l.at(ctx, run, seq)
}

func (l *Log) at(ctx context.Context, run Run, seq uint64) (*Event, error) {
	r := l.reader(run)
	defer r.close()
	return r.at(ctx, seq)
}

func (r *reader) at(ctx context.Context, seq uint64) (*Event, error) {
	rec, err := r.record(ctx, seq, false)
	if err != nil {
		return nil, err
	}
	s, err := r.event(ctx, rec)
	if err != nil {
		return nil, err
	}
	return r.l.giveAt(ctx, r.run, s)
}

// giveAt returns an event that was read, and remembers it if it is the run's tip.
func (l *Log) giveAt(ctx context.Context, run Run, s *snapshot) (*Event, error) {
	if s.event.Pruned {
		return nil, l.pruned(ctx, run, s.event.Seq)
	}
	if s.event.Seq == run.Tip {
		l.live.loaded(run, s)
	} else if s.own { // its reader is gone
		return &s.event, nil
	}
	return s.give(), nil
}

// give returns a copy of the event that the caller may keep and change.
func (s *snapshot) give() *Event {
	ev := s.event
	ev.Header = ev.Header.clone()
	ev.State = bytes.Clone(s.event.State)
	return &ev
}

// snapshot reads one event.
func (l *Log) snapshot(ctx context.Context, run Run, seq uint64) (*snapshot, error) {
	r := l.reader(run)
	defer r.close()
	rec, err := r.record(ctx, seq, false)
	if err != nil {
		return nil, err
	}
	return r.event(ctx, rec)
}

// Header returns one event without its state, even if that was pruned.
//
// Errors: ErrNotFound if there is no such run or event.
func (l *Log) Header(ctx context.Context, id string, seq uint64) (*Event, error) {
	run, err := l.look(ctx, id)
	if err != nil {
		return nil, err
	}
	r := l.reader(run)
	defer r.close()
	rec, err := r.record(ctx, seq, true)
	if err != nil {
		return nil, err
	}
	ev, err := r.header(rec)
	if err == nil {
		err = r.explain(ctx, rec, &ev)
	}
	return &ev, err
}

// record reads one record.
func (r *reader) record(ctx context.Context, seq uint64, headersOnly bool) (*record, error) {
	run := &r.run
	if seq > run.Last && run.damage() != nil { // the end of the run is unknown
		return nil, run.damage()
	}
	if seq == 0 || seq > run.Last {
		return nil, notFound(run.ID, seq, fmt.Sprintf("there is no event %d; the run has events %d to %d", seq, run.first(), run.Last))
	}
	if seq <= run.Anchor {
		return nil, r.dropped(ctx, seq)
	}
	recs, err := r.records(ctx, driver.RecordsRequest{From: seq, To: seq, Limit: 1, HeadersOnly: headersOnly})
	if err != nil {
		return nil, err
	}
	return &recs[0], nil
}

// Visit returns the nth event of a node in a run that recovery can take. It counts from
// 1, by seq over all branches, including pruned events and those that [Log.TruncateFront]
// dropped. If at is a position, the event must be on the line that leads to it.
//
// Errors: ErrNotFound if there is no such run or visit, ErrDropped if it was dropped;
// ErrPruned, as a [PrunedError], if its state was dropped; ErrConflict if at has the hash of
// another life of the run.
func (l *Log) Visit(ctx context.Context, id, node string, n int, at Position) (*Event, error) {
	if err := checkID("node id", node); err != nil {
		return nil, err
	}
	if n < 1 {
		return nil, fmt.Errorf("%w visit %d of node %q: visits count from 1", ErrInvalid, n, node)
	}
	run, err := l.look(ctx, id)
	if err != nil {
		return nil, err
	}
	r := l.reader(run)
	defer r.close()
	return r.visit(ctx, node, uint64(n), at)
}

// visit is Visit for the reader's run.
func (r *reader) visit(ctx context.Context, node string, n uint64, at Position) (*Event, error) {
	if n > MaxSeq {
		return nil, fmt.Errorf("%w visit %d of node %q: a run has at most %d events", ErrInvalid, n, node, uint64(MaxSeq))
	}
	var end uint64
	if at.Seq != 0 {
		var err error
		if end, err = r.lineEnd(ctx, at); err != nil {
			return nil, err
		}
	}
	r.whole = true
	key := keyOf(Recoverable, node)
	seq, err := r.nthVisit(ctx, key, n)
	if err != nil {
		return nil, err
	}
	if seq == 0 || seq <= r.run.Anchor {
		return nil, r.noVisit(ctx, key, node, n)
	}
	if end != 0 {
		on, err := r.walk(end).contains(ctx, seq)
		if err != nil {
			return nil, err
		}
		if !on {
			return nil, notFound(r.run.ID, 0, fmt.Sprintf("visit %d of node %q, seq %d, is not on the line to seq %d", n, node, seq, end))
		}
	}
	return r.at(ctx, seq)
}

// Named returns what a name stands for on the line that leads to the event at, or on the
// run's current line if at is zero: as [Log.NodeAt], a node's newest event; or as
// [Log.Visit], for "review#2", the second visit of "review", unless there is a node of
// that id. Errors are those of NodeAt and Visit.
func (l *Log) Named(ctx context.Context, id, name string, at Position) (*Event, error) {
	node, n, ok := splitVisit(name)
	if !ok {
		return l.NodeAt(ctx, id, name, at)
	}
	if err := checkID("node id", name); err != nil {
		return nil, err
	}
	run, err := l.look(ctx, id)
	if err != nil {
		return nil, err
	}
	r := l.reader(run)
	defer r.close()
	like, err := r.entry(ctx, likeVisitsEntry.Key)
	if err != nil {
		return nil, err
	}
	if like != nil {
		ev, err := l.NodeAt(ctx, id, name, at)
		if !errors.Is(err, ErrNotFound) || errors.Is(err, ErrOtherLine) || errors.Is(err, ErrDropped) {
			return ev, err
		}
	}
	return r.visit(ctx, node, uint64(n), at)
}

// noVisit says why there is no nth visit of a node.
func (r *reader) noVisit(ctx context.Context, key visitKey, node string, n uint64) error {
	if r.run.Anchor > 0 {
		gone, err := r.visitsDropped(ctx, key)
		if err != nil {
			return err
		}
		if n <= gone {
			a, err := r.anchor(ctx)
			if err != nil {
				return err
			}
			return a.dropped(r.run.ID, 0, fmt.Sprintf("visit %d of node %q", n, node))
		}
	}
	visits, err := r.countVisits(ctx, key)
	switch {
	case err != nil:
		return err
	case visits > 0:
		return notFound(r.run.ID, 0, fmt.Sprintf("node %q has %d visits, not %d", node, visits, n))
	}
	return notFound(r.run.ID, 0, fmt.Sprintf("node %q has no event", node))
}

// countVisits returns how many visits of a node there were.
func (r *reader) countVisits(ctx context.Context, key visitKey) (uint64, error) {
	block, err := r.openBlock(ctx)
	if err != nil {
		return 0, err
	}
	for i := len(block.visits) - 1; i >= 0; i-- {
		if block.visits[i].key == key {
			return block.visits[i].n, nil
		}
	}
	return r.visitsBefore(ctx, key)
}

// NodeAt returns the newest event of a node that recovery can take on the line that leads
// to the event at, or on the run's current line if at is zero.
//
// Errors: ErrNotFound if there is no such run, event or visit, ErrOtherLine if the node's
// are on other lines; ErrPruned, as a [PrunedError], if the states of all visits of the node
// were dropped; ErrConflict if at has the hash of another life of the run.
func (l *Log) NodeAt(ctx context.Context, id, node string, at Position) (*Event, error) {
	if err := checkID("node id", node); err != nil {
		return nil, err
	}
	return settle(ctx, l, id, func(run Run) (*Event, error) { return l.nodeAt(ctx, run, node, at) })
}

func (l *Log) nodeAt(ctx context.Context, run Run, node string, at Position) (*Event, error) {
	r := l.reader(run)
	defer r.close()
	r.whole = true
	end, err := r.lineEnd(ctx, at)
	if err != nil {
		return nil, err
	}
	f, err := r.findNodes(ctx, end)
	if err != nil {
		return nil, err
	}
	key := keyOf(Recoverable, node)
	seq, err := f.newest(ctx, key, nil)
	if err != nil {
		return nil, err
	}
	if seq == 0 {
		return nil, f.noneTaken(ctx, key, node)
	}
	ev, err := r.at(ctx, seq)
	if errors.Is(err, ErrPruned) {
		return nil, errPrunedMeanwhile
	}
	return ev, err
}

// noneTaken says why recovery can take no visit of a node on the line: there is no visit,
// or all are pruned, dropped or on other lines.
func (f *nodeFinder) noneTaken(ctx context.Context, key visitKey, node string) error {
	r := f.r
	seq, err := f.newestOfAny(ctx, key)
	if err != nil {
		return err
	}
	if seq != 0 {
		if err := r.l.pruned(ctx, r.run, seq); !errors.Is(err, errNotPruned) {
			return err
		}
		return errPrunedMeanwhile // it was imported again since
	}
	n, err := r.countVisits(ctx, key)
	if err != nil {
		return err
	}
	if n == 0 {
		return notFound(r.run.ID, 0, fmt.Sprintf("node %q has no event", node))
	}
	seq, err = r.nthVisit(ctx, key, n)
	if err != nil {
		return err
	}
	if seq <= r.run.Anchor {
		return r.noVisit(ctx, key, node, n)
	}
	return &Error{Run: r.run.ID, Reason: fmt.Sprintf("node %q has no event on the line to seq %d; its newest visit, seq %d, is on another", node, f.walk.end, seq), Err: ErrOtherLine}
}
