package log

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// How much a page of a history holds. Iterators read a page, give the storage
// back and only then let the caller work.
const (
	pageHeaders = 512
	pageStates  = 64
	pageBytes   = 4 << 20
)

// Run returns the summary of a run; ErrNotFound if there is none of that id.
func (l *Log) Run(ctx context.Context, id string) (Run, error) {
	run, err := l.look(ctx, id)
	if err == nil {
		err = run.damage()
	}
	return run, err
}

// damage says what is damaged of the run's summary.
func (r *Run) damage() error {
	if r.headErr != nil {
		return r.headErr
	}
	return r.lastErr
}

// look is Run for readers of events, whom a damaged newest one does not stop.
func (l *Log) look(ctx context.Context, id string) (Run, error) {
	if err := checkID("run id", id); err != nil {
		return Run{}, err
	}
	if err := l.readable(ctx); err != nil {
		return Run{}, err
	}
	run, err := l.run(ctx, id)
	if err == nil && run.damage() == nil {
		l.live.saw(run)
	}
	return run, err
}

// run reads a head. A run whose import has not finished is not there.
func (l *Log) run(ctx context.Context, id string) (Run, error) {
	r, err := l.anyRun(ctx, id)
	if err == nil && r.staged() {
		return Run{}, notFound(id, 0, "there is no such run; an import of it has not finished")
	}
	return r, err
}

// anyRun is run also for one whose import has not finished.
func (l *Log) anyRun(ctx context.Context, id string) (Run, error) {
	h, err := l.backend.Head(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return Run{}, notFound(id, 0, "there is no such run")
	}
	if err != nil {
		return Run{}, fmt.Errorf("%sread head: %w", place(id, 0), err)
	}
	r, err := parseHead(h)
	if errors.Is(err, ErrCorrupt) {
		return l.derive(ctx, h, err)
	}
	return r, err
}

// Newest returns the newest event of a run whose state is there: the one that a
// recovery wants.
//
// Errors: ErrNotFound if there is no such run; ErrPruned if no event has its
// state any more.
func (l *Log) Newest(ctx context.Context, id string) (*Event, error) {
	run, err := l.look(ctx, id)
	if err != nil {
		return nil, err
	}
	if lr, ok := l.live.get(id); ok && lr.newest.of(&run) && lr.newest.event.Seq == run.Last {
		return lr.newest.give(), nil
	}
	if run.lastErr != nil { // nor is it known which one is the newest
		return nil, run.lastErr
	}
	ev, err := l.at(ctx, run, run.Last)
	if !errors.Is(err, ErrPruned) {
		return ev, err
	}
	for ev, err := range l.history(ctx, run, HistoryOptions{Backward: true, HeadersOnly: true}) {
		if err != nil {
			return nil, err
		}
		if ev.Pruned {
			continue
		}
		if ev, err := l.at(ctx, run, ev.Seq); !errors.Is(err, ErrPruned) {
			return ev, err // else it was pruned just now
		}
	}
	return nil, err
}

// At returns one event by its seq.
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
	s, err := l.snapshot(ctx, run, seq)
	if err != nil {
		return nil, err
	}
	if s.event.Pruned {
		return nil, l.pruned(ctx, run, seq)
	}
	if seq == run.Last {
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
	rec, err := r.record(ctx, seq, false)
	if err != nil {
		return nil, err
	}
	return r.event(ctx, rec)
}

// Header returns one event without its state, also if that was pruned.
//
// Errors: ErrNotFound if there is no such run or event.
func (l *Log) Header(ctx context.Context, id string, seq uint64) (*Event, error) {
	run, err := l.look(ctx, id)
	if err != nil {
		return nil, err
	}
	r := l.reader(run)
	rec, err := r.record(ctx, seq, true)
	if err != nil {
		return nil, err
	}
	ev, err := r.header(rec)
	if err == nil {
		err = r.explain(ctx, &ev)
	}
	return &ev, err
}

// record reads one record.
func (r *reader) record(ctx context.Context, seq uint64, headersOnly bool) (*Record, error) {
	run := &r.run
	if seq > run.Last && run.damage() != nil { // it is not known where the run ends
		return nil, run.damage()
	}
	if seq == 0 || seq > run.Last {
		return nil, notFound(run.ID, seq, fmt.Sprintf("there is no event %d; the run has events %d to %d", seq, run.first(), run.Last))
	}
	if seq <= run.Anchor {
		return nil, r.dropped(ctx, seq)
	}
	recs, err := r.records(ctx, RecordsRequest{From: seq, To: seq, Limit: 1, HeadersOnly: headersOnly})
	if err != nil {
		return nil, err
	}
	return &recs[0], nil
}

// Visit returns the nth event of a node in a run, counted from 1 by seq over all
// branches, pruned ones and those that [Log.TruncateFront] dropped included; n 0 asks
// for the newest whose state is there.
//
// Errors: ErrNotFound if there is no such run or visit, ErrDropped if it was dropped;
// ErrPruned, as a
// [PrunedError], if its state was dropped, or with n 0 all of the node's.
func (l *Log) Visit(ctx context.Context, id, node string, n int) (*Event, error) {
	run, err := l.look(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := checkID("node id", node); err != nil {
		return nil, err
	}
	if n < 0 {
		return nil, fmt.Errorf("%w visit %d of node %q: visits count from 1", ErrInvalid, n, node)
	}
	visits, newest := 0, uint64(0)
	if run.Anchor > 0 {
		a, err := l.anchor(ctx, run)
		if err != nil {
			return nil, err
		}
		if visits = a.Visits[node]; n > 0 && n <= visits {
			return nil, a.dropped(id, 0, fmt.Sprintf("visit %d of node %q", n, node))
		}
	}
	for ev, err := range l.history(ctx, run, HistoryOptions{Node: node, HeadersOnly: true, Backward: n == 0}) {
		if err != nil {
			return nil, err
		}
		visits, newest = visits+1, max(newest, ev.Seq)
		if visits != n && (n != 0 || ev.Pruned) {
			continue
		}
		if ev, err := l.at(ctx, run, ev.Seq); n > 0 || !errors.Is(err, ErrPruned) {
			return ev, err // else it was pruned just now
		}
	}
	if n == 0 && newest > 0 {
		return nil, l.pruned(ctx, run, newest)
	}
	if n > 0 && visits > 0 {
		return nil, notFound(id, 0, fmt.Sprintf("node %q has %d visits, not %d", node, visits, n))
	}
	return nil, notFound(id, 0, fmt.Sprintf("node %q has no event", node))
}
