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
