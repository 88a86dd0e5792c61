package log

import (
	"bytes"
	"context"
	"crypto/sha256"
	"iter"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/flowlog/checkpoint/driver"
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
	// Lineage restricts to the events that the one at To, or with 0 the run's last,
	// grew from: itself, its parent, and so on, newest first. What is damaged beside
	// that line does not matter. If the last one has a Parent, that was dropped.
	Lineage bool
}

// History streams the events of a run as it stands when the iteration begins.
//
// Order is by seq. A pruned event comes without a state, and with Pruned and PrunedBy set.
// An error ends the iteration. While the caller works, no lock and no transaction is
// held. Memory: a page of at most 4 MiB of records, or for sealed events a segment of at
// most 8 MiB, as much again of its blocks and 20 MB of operations; also at most four
// states, the notes of pruned events, and whatever the caller keeps.
//
// Errors: ErrNotFound if there is no such run, also when it is deleted on the
// way; ErrDropped if what comes next was dropped on the way.
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
		defer r.close()
		node, left := nodeFilter(opts.Node), opts.Limit
		var ahead *upcoming // taken, and not given yet
		defer func() { ahead.wait() }()
		give := func() bool { // ahead
			u := ahead
			if ahead = nil; u == nil {
				return true
			}
			ev, err := r.finish(ctx, u)
			return yield(ev, err) && err == nil
		}
		for rec, err := range r.scan(ctx, opts) {
			if err == nil && !bytes.Contains(rec.Header, node) && rec.check(&run) == nil {
				continue
			}
			var next *upcoming
			if err == nil {
				next, err = r.take(ctx, rec, opts)
			}
			if err == nil && next == nil {
				continue
			}
			if !give() {
				next.wait()
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if ahead = next; ahead.sum == nil && !give() {
				return
			}
			if left--; left == 0 {
				break
			}
		}
		give()
	}
}

// nodeFilter returns bytes that the header of any event of node contains.
func nodeFilter(node string) []byte {
	if node == "" {
		return nil
	}
	b, err := jsontext.AppendQuote([]byte(`"node":`), node)
	if err != nil {
		return nil // not valid UTF-8: no node has that name
	}
	return b
}

// aheadBytes is the size of states from which on one is held to its hash while the
// next is made, if there is a processor to spare.
const aheadBytes = 64 << 10

// upcoming is an event on its way to the caller.
type upcoming struct {
	rec *record
	s   *snapshot
	sum chan Digest // gets the hash of its state; nil if there is nothing to wait for
}

// wait waits until nobody reads the state any more.
func (u *upcoming) wait() {
	if u != nil && u.sum != nil {
		<-u.sum
	}
}

// take begins with the event of a record, or returns nil if the options don't want
// it.
func (r *reader) take(ctx context.Context, rec *record, opts HistoryOptions) (*upcoming, error) {
	ev, err := r.header(rec)
	if err != nil || opts.Node != "" && ev.NodeID != opts.Node {
		return nil, err
	}
	if opts.HeadersOnly || ev.Pruned {
		return &upcoming{rec: rec, s: &snapshot{event: ev, loose: true}}, nil
	}
	if opts.Node != "" { // the scan read headers only
		recs, err := r.records(ctx, driver.RecordsRequest{From: rec.Seq, To: rec.Seq, Limit: 1})
		if err != nil {
			return nil, err
		}
		rec = &recs[0]
	}
	if ev.Size >= aheadBytes {
		if s, err := r.load(ctx, rec); err == nil && !s.event.Pruned {
			u := &upcoming{rec: rec, s: s, sum: make(chan Digest, 1)}
			go func() { u.sum <- sha256.Sum256(s.event.State) }()
			return u, nil
		} // else it is looked at again, more closely
	}
	s, err := r.event(ctx, rec)
	return &upcoming{rec: rec, s: s}, err
}

// finish returns an event that was taken. Its state is the caller's.
func (r *reader) finish(ctx context.Context, u *upcoming) (*Event, error) {
	if u.sum != nil && <-u.sum != u.s.event.SHA256 {
		r.recent = [3]*snapshot{} // others may rest on it
		var err error
		if u.s, err = r.event(ctx, u.rec); err != nil {
			return nil, err
		}
	}
	ev := &u.s.event
	if !u.s.loose {
		ev = u.s.give()
	}
	return ev, r.explain(ctx, u.rec, ev)
}
