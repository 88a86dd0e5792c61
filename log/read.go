package log

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// How much a page of a history holds. Iterators read a page, give the storage
// back and only then let the caller work.
const (
	pageHeaders = 512
	pageStates  = 64
	pageBytes   = 4 << 20
)

// HistoryOptions choose events of a run. The zero value is all of them, oldest
// first, with their states.
type HistoryOptions struct {
	// From and To are the first and the last seq wanted, both included; 0
	// leaves that end open.
	From, To uint64
	// Backward gives the newest first. With states this is slower than forward,
	// where each is made from the one before.
	Backward bool
	// Node restricts to events of one node.
	Node string
	// Limit is the largest number of events, counted after the filter; 0 for
	// no limit.
	Limit int
	// HeadersOnly leaves the states unread.
	HeadersOnly bool
}

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

// run reads a head.
func (l *Log) run(ctx context.Context, id string) (Run, error) {
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
// Errors: ErrNotFound if there is no such run or event; ErrPruned, as a
// [PrunedError], if its state was dropped.
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
	if seq > run.Last && run.lastErr != nil {
		return nil, run.lastErr
	}
	if seq == 0 || seq > run.Last {
		return nil, notFound(run.ID, seq, fmt.Sprintf("there is no event %d; the run has events 1 to %d", seq, run.Last))
	}
	r := l.reader(run)
	recs, err := r.records(ctx, RecordsRequest{From: seq, To: seq, Limit: 1})
	if err != nil {
		return nil, err
	}
	return r.event(ctx, &recs[0])
}

// Visit returns the nth event of a node in a run, counted from 1 by seq over all
// branches, pruned ones included; n 0 asks for the newest whose state is there.
//
// Errors: ErrNotFound if there is no such run or visit; ErrPruned, as a
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
	if n == 0 && visits > 0 {
		return nil, l.pruned(ctx, run, newest)
	}
	if n > 0 && visits > 0 {
		return nil, notFound(id, 0, fmt.Sprintf("node %q has %d visits, not %d", node, visits, n))
	}
	return nil, notFound(id, 0, fmt.Sprintf("node %q has no event", node))
}

// History streams the events of a run as it stands when the iteration begins.
//
// Order is by seq. A pruned event comes without a state and with Pruned set. An
// error ends the iteration. While the caller works, no lock and no transaction
// is held. Memory: a page of at most 4 MiB of records, at most four states
// besides, and what the caller keeps.
//
// Errors: ErrNotFound if there is no such run, also when it is deleted on the
// way.
func (l *Log) History(ctx context.Context, id string, opts HistoryOptions) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		run, err := l.look(ctx, id)
		if err != nil {
			yield(nil, err)
			return
		}
		for ev, err := range l.history(ctx, run, opts) {
			if !yield(ev, err) {
				return
			}
		}
	}
}

func (l *Log) history(ctx context.Context, run Run, opts HistoryOptions) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		r := l.reader(run)
		node, left := nodeFilter(opts.Node), opts.Limit
		for rec, err := range r.scan(ctx, opts) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !bytes.Contains(rec.Header, node) && checkSum(run.ID, run.Life, rec) == nil {
				continue
			}
			ev, ok, err := r.selected(ctx, rec, opts)
			if err != nil {
				yield(nil, err)
				return
			}
			if !ok {
				continue
			}
			if !yield(ev, nil) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

// nodeFilter returns bytes that the header of any event of node contains.
func nodeFilter(node string) []byte {
	if node == "" {
		return nil
	}
	b, err := jsontext.AppendQuote([]byte(`"node_id":`), node)
	if err != nil {
		return nil // not valid UTF-8: no node has that name
	}
	return b
}

// selected returns the event of a record if the options want it.
func (r *reader) selected(ctx context.Context, rec *Record, opts HistoryOptions) (*Event, bool, error) {
	ev, err := r.header(rec)
	if err != nil || opts.Node != "" && ev.NodeID != opts.Node {
		return nil, false, err
	}
	if opts.HeadersOnly || ev.Pruned {
		return &ev, true, nil
	}
	if opts.Node != "" { // the scan read headers only
		recs, err := r.records(ctx, RecordsRequest{From: rec.Seq, To: rec.Seq, Limit: 1})
		if err != nil {
			return nil, false, err
		}
		rec = &recs[0]
	}
	s, err := r.event(ctx, rec)
	if err != nil {
		return nil, false, err
	}
	return s.give(), true, nil
}
